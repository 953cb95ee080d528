variable "environment" {
  type        = string
  description = "Name of the environment. Resources are named connect-ENVIRONMENT."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment must be 2 to 12 lower-case letters and digits: load balancer names leave no room for more."
  }
}

variable "domain" {
  type        = string
  description = "Public Route 53 zone of this account. The service answers at connect.DOMAIN."

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "domain must be a lower-case DNS name without a trailing dot, such as example.com."
  }
}

variable "image" {
  type        = string
  description = "Image of both services in ECR, by digest (…@sha256:…) or by a tag that never moves."

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com/[a-z0-9._/-]+(:[A-Za-z0-9._-]+|(:[A-Za-z0-9._-]+)?@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image must be in ECR and name a digest or a tag, such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat@sha256:…"
  }

  validation {
    condition     = !can(regex(":(latest|main|master|dev|develop|stable|production)$", var.image))
    error_message = "image uses a tag that moves. Name the digest or a tag that never moves, such as a version or a commit."
  }
}

variable "vpc_cidr" {
  type        = string
  description = "IPv4 range of the VPC, a /16."
}

variable "zones" {
  type        = map(number)
  description = "Availability zone name to address slot (0 to 7). A zone keeps its slot for life."

  validation {
    condition     = length(var.zones) >= 2
    error_message = "zones needs at least two availability zones: with one, the loss of a zone is an outage."
  }

  validation {
    condition     = var.environment != "production" || length(var.zones) >= 3
    error_message = "zones: production needs three, so that the loss of one leaves two."
  }
}

variable "allow_zone_removal" {
  type        = bool
  description = "Let a plan remove a zone that has subnets today, which replaces the internal load balancer. Also lifts that one's deletion protection, so apply it once before the zone goes."
  default     = false
}

variable "nat" {
  type        = string
  description = "NAT gateways: per_zone or single."

  validation {
    condition     = contains(["per_zone", "single"], var.nat)
    error_message = "nat must be per_zone or single."
  }

  validation {
    condition     = var.environment != "production" || var.nat == "per_zone"
    error_message = "nat must be per_zone in production, or the loss of one zone takes the way out of all."
  }
}

variable "gateway" {
  type = object({
    cpu                  = number
    memory               = number
    min_tasks            = number
    max_tasks            = number
    connections_per_task = number
  })
  description = "Size of the gateway: CPU units and MiB of a task, fewest and most tasks, and the connections that a task of this size was load-tested to hold."

  validation {
    condition     = var.environment != "production" || var.gateway.min_tasks >= length(var.zones)
    error_message = "gateway.min_tasks must be at least the number of zones (${length(var.zones)}) in production, or a zone has no gateway."
  }

  validation {
    condition     = var.gateway.max_tasks <= 1000
    error_message = "gateway.max_tasks must be at most 1000, the targets of one application load balancer."
  }

  validation {
    condition     = var.gateway.connections_per_task >= 100 && var.gateway.connections_per_task <= floor(var.gateway.cpu / 1024 * 25000)
    error_message = "gateway.connections_per_task must be from 100 to 25,000 a vCPU (${floor(var.gateway.cpu / 1024 * 25000)} for ${var.gateway.cpu} CPU units): prefer more, smaller tasks."
  }
}

variable "messaging" {
  type = object({
    cpu       = number
    memory    = number
    min_tasks = number
    max_tasks = number
  })
  description = "Size of messaging: CPU units and MiB of a task, fewest and most tasks."

  validation {
    condition     = var.environment != "production" || var.messaging.min_tasks >= length(var.zones)
    error_message = "messaging.min_tasks must be at least the number of zones (${length(var.zones)}) in production, or a zone has no messaging task."
  }

  validation {
    condition     = var.messaging.max_tasks * 1.5 <= 500
    error_message = "messaging.max_tasks must be at most 333: a deployment runs half as many again, and a cross-zone network load balancer has 500 targets."
  }
}

variable "store" {
  type = object({
    node_type               = string
    shards                  = number
    replicas_per_shard      = number
    snapshot_retention_days = number
  })
  description = "Size of MemoryDB: node type, shards, replicas of each shard, days to keep the daily snapshot."

  validation {
    condition     = var.store.replicas_per_shard >= 1
    error_message = "store.replicas_per_shard must be 1 or more: without a replica the failure of one node stops a shard until the node is rebuilt."
  }

  validation {
    condition     = var.environment != "production" || var.store.snapshot_retention_days >= 7
    error_message = "store.snapshot_retention_days must be 7 or more in production: a mistake is often found after a week-end."
  }
}

variable "timings" {
  type = object({
    heartbeat_seconds            = optional(number, 25)
    idle_timeout_seconds         = optional(number, 120)
    drain_seconds                = optional(number, 100)
    deregistration_delay_seconds = optional(number, 120)
    stop_timeout_seconds         = optional(number, 120)
    messaging_drain_seconds      = optional(number, 30)
    messaging_ping_seconds       = optional(number, 30)
    messaging_idle_seconds       = optional(number, 350)
    scale_in_cooldown_seconds    = optional(number, 600)
  })
  description = "Times that must fit each other across the load balancers, ECS and the services."
  default     = {}

  validation {
    condition     = 2 * var.timings.heartbeat_seconds < var.timings.idle_timeout_seconds
    error_message = "timings: idle_timeout_seconds must be more than twice heartbeat_seconds, or one late heartbeat lets the load balancer cut a healthy WebSocket."
  }

  validation {
    condition     = var.timings.drain_seconds <= 100 && var.timings.drain_seconds < var.timings.deregistration_delay_seconds
    error_message = "timings: drain_seconds must be at most 100 and less than deregistration_delay_seconds, or the load balancer cuts clients that are still being sent away one by one."
  }

  validation {
    condition     = var.timings.stop_timeout_seconds <= 120
    error_message = "timings: stop_timeout_seconds must be at most 120: Fargate kills a task two minutes after SIGTERM whatever is asked for."
  }

  validation {
    condition     = max(var.timings.drain_seconds, var.timings.messaging_drain_seconds) < var.timings.stop_timeout_seconds
    error_message = "timings: stop_timeout_seconds must be more than drain_seconds and messaging_drain_seconds, or tasks are killed while they still drain."
  }

  validation {
    condition     = var.timings.messaging_drain_seconds < var.timings.drain_seconds
    error_message = "timings: messaging_drain_seconds must be less than drain_seconds: a gateway still needs messaging while it drains, a messaging task only finishes its calls."
  }

  validation {
    condition     = var.timings.messaging_idle_seconds <= 350 && 2 * var.timings.messaging_ping_seconds < var.timings.messaging_idle_seconds
    error_message = "timings: messaging_idle_seconds must be at most 350 and more than twice messaging_ping_seconds, or the internal load balancer forgets a live connection."
  }

  validation {
    condition     = var.timings.scale_in_cooldown_seconds >= var.timings.drain_seconds
    error_message = "timings: scale_in_cooldown_seconds must be at least drain_seconds, or clients sent away by one removal land on a task that the next one takes."
  }
}

variable "rate_limit" {
  type        = number
  description = "Requests per five minutes from one address before the firewall blocks it."
}

variable "reserved_capacity_units" {
  type        = number
  description = "Public load balancer capacity kept ready for reconnect storms; null for none."
  default     = null
}

variable "allowed_origins" {
  type        = list(string)
  description = "Origins of web clients, such as https://app.example.com. Empty: only native clients and servers."
  default     = []

  validation {
    condition     = alltrue([for origin in var.allowed_origins : can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "allowed_origins must be https origins without a path, such as https://app.example.com; a wildcard would let any site use a visitor's session."
  }
}

variable "gateway_https_egress_cidrs" {
  type        = set(string)
  description = "IPv4 ranges that the gateway may reach on port 443, for the key sets of OIDC issuers."
  default     = []
}

variable "service_token_generations" {
  type        = list(string)
  description = "Labels of the secret that services sign their calls with: the one that signs first, then the other accepted one while rotating."

  validation {
    condition     = length(var.service_token_generations) >= 1 && length(var.service_token_generations) <= 2
    error_message = "service_token_generations needs one label, or two while rotating."
  }
}

variable "store_password_generations" {
  type        = list(string)
  description = "Labels of the store's password: the one in use first, then the other accepted one while rotating."

  validation {
    condition     = length(var.store_password_generations) >= 1 && length(var.store_password_generations) <= 2
    error_message = "store_password_generations needs one label, or two while rotating."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Refuse to delete load balancers and logs, and snapshot the store before it goes."

  validation {
    condition     = var.environment != "production" || var.deletion_protection || var.decommission
    error_message = "deletion_protection must be on in production. To take production down, set decommission = true."
  }
}

variable "decommission" {
  type        = bool
  description = "Lift deletion protection, as the step before destroy."
  default     = false
}

variable "log_retention_days" {
  type        = number
  description = "Days to keep logs."

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days must be a number that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }

  validation {
    condition     = var.environment != "production" || var.log_retention_days >= 30
    error_message = "log_retention_days must be 30 or more in production: incidents are looked into weeks later."
  }
}

variable "log_level" {
  type        = string
  description = "Least severe level that the services log."
  default     = "info"

  validation {
    condition     = contains(["fatal", "error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "log_level must be fatal, error, warn, info, debug or trace."
  }
}

variable "alert_emails" {
  type        = set(string)
  description = "Addresses that get pages."
  default     = []
}
