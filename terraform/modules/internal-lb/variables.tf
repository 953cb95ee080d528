variable "name" {
  type        = string
  description = "Prefix of every resource name, such as connect-production."

  validation {
    condition     = length(var.name) <= 24
    error_message = "name must be at most 24 characters: load balancer names end at 32, suffix included."
  }
}

variable "vpc_id" {
  type        = string
  description = "VPC of the load balancer and of its private DNS zone."
}

variable "private_subnet_ids" {
  type        = map(string)
  description = "Zone to private subnet."

  validation {
    condition     = length(var.private_subnet_ids) >= 2
    error_message = "private_subnet_ids needs subnets in two zones or more."
  }
}

variable "security_group_id" {
  type        = string
  description = "Security group of the load balancer. It must be there at creation: one made without can never be given one."
}

variable "port" {
  type        = number
  description = "Port of the internal HTTP/2 API."
}

variable "admin_port" {
  type        = number
  description = "Port of messaging that answers /readyz over HTTP/1.1."

  validation {
    condition     = var.admin_port != var.port
    error_message = "admin_port must differ from port: the API speaks HTTP/2 in the clear, which a health check cannot."
  }
}

variable "idle_timeout_seconds" {
  type        = number
  description = "Seconds without a byte after which a connection is forgotten."
  default     = 350

  validation {
    condition     = var.idle_timeout_seconds >= 60 && var.idle_timeout_seconds <= 350
    error_message = "idle_timeout_seconds must be from 60 to 350: more leaves dead connections in the table, less is refused."
  }

  validation {
    condition     = var.ping_seconds * 2 < var.idle_timeout_seconds
    error_message = "idle_timeout_seconds must be more than twice ping_seconds (${var.ping_seconds} s), or one late ping lets the load balancer forget a live connection."
  }
}

variable "ping_seconds" {
  type        = number
  description = "Seconds between the gateway's HTTP/2 pings on an idle connection."

  validation {
    condition     = var.ping_seconds >= 1
    error_message = "ping_seconds must be 1 or more."
  }
}

variable "deregistration_delay_seconds" {
  type        = number
  description = "Seconds that a leaving task keeps its connections before they are cut."

  validation {
    condition     = var.deregistration_delay_seconds > var.drain_seconds && var.deregistration_delay_seconds <= 3600
    error_message = "deregistration_delay_seconds must be more than drain_seconds (${var.drain_seconds} s) and at most 3600, or calls under way are cut."
  }
}

variable "drain_seconds" {
  type        = number
  description = "Seconds in which a leaving messaging task finishes its calls and sends GOAWAY."
}

variable "deletion_protection" {
  type        = bool
  description = "Refuse to delete the load balancer."
}
