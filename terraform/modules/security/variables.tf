variable "name" {
  type        = string
  description = "Prefix of every resource name, such as connect-production."
}

variable "vpc_id" {
  type        = string
  description = "VPC of the groups."
}

variable "s3_prefix_list_id" {
  type        = string
  description = "Prefix list of the S3 gateway endpoint, where image layers come from."
}

variable "ports" {
  type = object({
    gateway         = number
    messaging       = number
    messaging_admin = number
    store           = number
  })
  description = "Ports of the path: gateway (HTTP and WebSocket), messaging (HTTP/2), messaging_admin (health), store."

  validation {
    condition     = alltrue([for port in values(var.ports) : port >= 1024 && port <= 65535])
    error_message = "ports must be between 1024 and 65535: the containers run as a user that may not bind lower ones."
  }

  validation {
    condition     = var.ports.messaging != var.ports.messaging_admin
    error_message = "ports: messaging and messaging_admin are two listeners of one task and cannot share a port."
  }
}

variable "gateway_https_egress_cidrs" {
  type        = set(string)
  description = "IPv4 ranges that the gateway may reach on port 443, for the key sets of OIDC issuers. Empty: none, and only session keys of partners sign users in."
  default     = []

  validation {
    condition     = alltrue([for cidr in var.gateway_https_egress_cidrs : can(cidrhost(cidr, 0))])
    error_message = "gateway_https_egress_cidrs must hold IPv4 ranges in CIDR notation, such as 203.0.113.0/24."
  }
}
