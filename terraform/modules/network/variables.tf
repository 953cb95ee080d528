variable "name" {
  type        = string
  description = "Prefix of every resource name, such as connect-production."
}

variable "vpc_cidr" {
  type        = string
  description = "IPv4 range of the VPC. A /16 leaves room for eight zones of a /19 each."

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]), 0) == 16
    error_message = "vpc_cidr must be a /16 in CIDR notation, such as 10.40.0.0/16: each zone gets a /19 of it."
  }

  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.vpc_cidr))
    error_message = "vpc_cidr must be a private range (10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16), or tasks would shadow public addresses."
  }
}

variable "zones" {
  type        = map(number)
  description = "Availability zone name to address slot (0 to 7). A zone keeps its slot for life, so that adding or removing a zone moves no other zone's subnets."

  validation {
    condition     = length(var.zones) >= 2
    error_message = "zones needs at least two availability zones: with one, the loss of a zone is an outage, and the load balancer refuses a single subnet."
  }

  validation {
    condition     = alltrue([for slot in values(var.zones) : slot >= 0 && slot <= 7 && floor(slot) == slot])
    error_message = "zones: each slot must be a whole number from 0 to 7, because the VPC is cut into eight /19 ranges."
  }

  validation {
    condition     = length(distinct(values(var.zones))) == length(var.zones)
    error_message = "zones: two zones share a slot, so their subnets would overlap. Give each zone a slot of its own."
  }
}

variable "allow_zone_removal" {
  type        = bool
  description = "Let a plan remove a zone that has subnets today. It replaces the internal load balancer, so every gateway reconnects to messaging."
  default     = false
}

variable "nat" {
  type        = string
  description = "NAT gateways: per_zone (a zone's loss stays in that zone) or single (cheaper, for development)."

  validation {
    condition     = contains(["per_zone", "single"], var.nat)
    error_message = "nat must be per_zone or single."
  }
}

variable "endpoint_security_group_id" {
  type        = string
  description = "Security group of the interface endpoints, from the security module."
}

variable "log_retention_days" {
  type        = number
  description = "Days to keep the flow logs."
}

variable "log_key_arn" {
  type        = string
  description = "KMS key that encrypts the flow logs."
}
