variable "name" {
  type        = string
  description = "Prefix of every resource name, such as connect-production."

  validation {
    condition     = length(var.name) <= 24
    error_message = "name must be at most 24 characters: load balancer names end at 32, suffix included."
  }
}

variable "domain" {
  type        = string
  description = "Public Route 53 zone, such as example.com. It must exist in this account."

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "domain must be a lower-case DNS name without a trailing dot, such as example.com."
  }
}

variable "vpc_id" {
  type        = string
  description = "VPC of the load balancer."
}

variable "public_subnet_ids" {
  type        = map(string)
  description = "Zone to public subnet."

  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "public_subnet_ids needs subnets in two zones or more: an application load balancer refuses fewer."
  }
}

variable "security_group_id" {
  type        = string
  description = "Security group of the load balancer."
}

variable "gateway_port" {
  type        = number
  description = "Port of the gateway that serves clients and /readyz."
}

variable "idle_timeout_seconds" {
  type        = number
  description = "Seconds without a byte after which the load balancer cuts a connection."

  validation {
    condition     = var.idle_timeout_seconds > 2 * var.heartbeat_seconds
    error_message = "idle_timeout_seconds must be more than twice heartbeat_seconds (${2 * var.heartbeat_seconds} s), or one late heartbeat cuts a healthy WebSocket."
  }

  validation {
    condition     = var.idle_timeout_seconds <= 4000
    error_message = "idle_timeout_seconds must be at most 4000, the load balancer's limit."
  }
}

variable "heartbeat_seconds" {
  type        = number
  description = "Seconds between the gateway's WebSocket pings."

  validation {
    condition     = var.heartbeat_seconds >= 5
    error_message = "heartbeat_seconds must be 5 or more: below, heartbeats keep phone radios active."
  }
}

variable "deregistration_delay_seconds" {
  type        = number
  description = "Seconds that a leaving task keeps its connections before the load balancer cuts them."

  validation {
    condition     = var.deregistration_delay_seconds > var.drain_seconds && var.deregistration_delay_seconds <= 3600
    error_message = "deregistration_delay_seconds must be more than drain_seconds (${var.drain_seconds} s) and at most 3600, or the load balancer cuts clients that the gateway is still sending away one by one."
  }
}

variable "drain_seconds" {
  type        = number
  description = "Seconds over which a leaving gateway spreads its clients' reconnects."
}

variable "stickiness_seconds" {
  type        = number
  description = "Life of the stickiness cookie. Short: a long one sends everyone back to old tasks after a scale-out."
  default     = 900

  validation {
    condition     = var.stickiness_seconds >= 300 && var.stickiness_seconds <= 3600
    error_message = "stickiness_seconds must be from 300 to 3600: a cookie that lives longer than an hour fights rebalancing."
  }
}

variable "rate_limit" {
  type        = number
  description = "Requests per five minutes from one address before the firewall blocks it. Carriers put many phones behind one address."

  validation {
    condition     = var.rate_limit >= 100 && var.rate_limit <= 2000000000
    error_message = "rate_limit must be from 100 to 2,000,000,000 requests per five minutes."
  }
}

variable "reserved_capacity_units" {
  type        = number
  description = "Load balancer capacity units kept ready for reconnect storms; null for none. Needs a quota that is 0 by default."
  default     = null

  validation {
    condition     = var.reserved_capacity_units == null || try(var.reserved_capacity_units >= 100, false)
    error_message = "reserved_capacity_units must be null, or 100 or more, the least that can be reserved."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Refuse to delete the load balancer and the bucket of its logs."
}

variable "log_retention_days" {
  type        = number
  description = "Days to keep access, connection and firewall logs."
}

variable "log_key_arn" {
  type        = string
  description = "KMS key that encrypts the firewall log group."
}
