variable "name" {
  type        = string
  description = "Prefix of every resource name, such as connect-production."
}

variable "service" {
  type        = string
  description = "Which service this is: gateway or messaging. It names the container, and is the Service dimension of its metrics."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.service))
    error_message = "service must be a short lower-case name, such as gateway."
  }
}

variable "cluster" {
  type        = object({ arn = string, name = string })
  description = "ECS cluster of the service."
}

variable "image" {
  type        = string
  description = "Image in ECR, by digest (…@sha256:…) or by an immutable tag."

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com/[a-z0-9._/-]+(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?$", var.image))
    error_message = "image must be in ECR, such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat@sha256:…: tasks have no way to any other registry."
  }

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image)) || can(regex(":[A-Za-z0-9._-]+$", var.image))
    error_message = "image names neither a digest nor a tag, which means latest: name the digest, so that a roll-back gets what ran before."
  }

  validation {
    condition     = !can(regex(":(latest|main|master|dev|develop|stable|production)$", var.image))
    error_message = "image uses a tag that moves. Name the digest or a tag that never moves, such as a version or a commit."
  }
}

variable "command" {
  type        = list(string)
  description = "Command of the container."
}

variable "cpu" {
  type        = number
  description = "CPU units of a task (1024 is one vCPU)."
}

variable "memory" {
  type        = number
  description = "Memory of a task in MiB."

  validation {
    condition = contains(
      {
        "256"   = [512, 1024, 2048]
        "512"   = range(1024, 4097, 1024)
        "1024"  = range(2048, 8193, 1024)
        "2048"  = range(4096, 16385, 1024)
        "4096"  = range(8192, 30721, 1024)
        "8192"  = range(16384, 61441, 4096)
        "16384" = range(32768, 122881, 8192)
      }[contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu) ? tostring(var.cpu) : "256"],
      var.memory
    ) && contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu = ${var.cpu} with memory = ${var.memory} is not a size that Fargate has; one vCPU (1024) goes with 2048 to 8192 MiB in steps of 1024."
  }
}

variable "tasks" {
  type        = object({ min = number, max = number })
  description = "Fewest and most tasks."

  validation {
    condition     = var.tasks.min >= 1 && floor(var.tasks.min) == var.tasks.min
    error_message = "tasks.min must be 1 or more."
  }

  validation {
    condition     = var.tasks.max > var.tasks.min
    error_message = "tasks.max must be more than tasks.min, or the service cannot scale."
  }
}

variable "subnet_ids" {
  type        = map(string)
  description = "Zone to private subnet."
}

variable "security_group_id" {
  type        = string
  description = "Security group of the tasks."
}

variable "target_group_arn" {
  type        = string
  description = "Target group that a load balancer already forwards to."
}

variable "port" {
  type        = number
  description = "Port that the load balancer sends to."
}

variable "admin_port" {
  type        = number
  description = "Port of /healthz, /readyz and /metrics."

  validation {
    condition     = var.admin_port != var.port
    error_message = "admin_port must differ from port, or metrics and health are served to clients."
  }
}

variable "environment" {
  type        = map(string)
  description = "Plain environment. Anyone who may describe a task reads it, so no secret belongs here."

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("(?i)(SECRET|PASSWORD|PASSWD|PRIVATE|CREDENTIAL|API_?KEY|SIGNING_KEY|_TOKEN$)", name))])
    error_message = "environment holds what looks like a secret: ${join(", ", [for name in keys(var.environment) : name if can(regex("(?i)(SECRET|PASSWORD|PASSWD|PRIVATE|CREDENTIAL|API_?KEY|SIGNING_KEY|_TOKEN$)", name))])}. Put it in Secrets Manager and pass its ARN in secrets."
  }

  validation {
    condition     = alltrue([for value in values(var.environment) : !can(regex("://[^/@]*:[^/@]+@", value))])
    error_message = "environment holds a URL with a password in it (${join(", ", [for name, value in var.environment : name if can(regex("://[^/@]*:[^/@]+@", value))])}). Pass the password in secrets."
  }
}

variable "secrets" {
  type        = map(string)
  description = "Environment name to Secrets Manager reference: the secret's ARN, or ARN:key:: for one key of a JSON secret."

  validation {
    condition     = length(var.secrets) > 0
    error_message = "secrets must not be empty: a service without a secret has no way to prove who it is to the other one or to the store."
  }

  validation {
    condition     = alltrue([for reference in values(var.secrets) : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*:]+(:[^:*]*:[^:*]*:[^:*]*)?$", reference))])
    error_message = "secrets must be ARNs of Secrets Manager, optionally with :key::, and without wildcards. A plain value does not belong in a task definition."
  }
}

variable "secret_key_arns" {
  type        = set(string)
  description = "KMS keys that encrypt those secrets."
}

variable "stop_timeout_seconds" {
  type        = number
  description = "Seconds between SIGTERM and SIGKILL."
  default     = 120

  validation {
    condition     = var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds must be at most 120: Fargate kills a task two minutes after SIGTERM whatever is asked for."
  }

  validation {
    condition     = var.drain_seconds < var.stop_timeout_seconds
    error_message = "stop_timeout_seconds must be more than drain_seconds (${var.drain_seconds} s), or tasks are killed while they still drain."
  }
}

variable "drain_seconds" {
  type        = number
  description = "Seconds in which a stopping task lets go of its work. Passed to it as DRAIN_SECONDS."

  validation {
    condition     = var.drain_seconds >= 1
    error_message = "drain_seconds must be 1 or more."
  }
}

variable "open_files" {
  type        = number
  description = "Limit of open files, soft and hard. A socket is a file."
  default     = 262144

  validation {
    condition     = var.open_files >= 65535 && var.open_files <= 1048576
    error_message = "open_files must be from 65535, Fargate's default, to 1048576, its limit."
  }
}

variable "health_check_grace_seconds" {
  type        = number
  description = "Seconds after its start in which a task may fail the load balancer's checks."
  default     = 60
}

variable "cpu_target_percent" {
  type        = number
  description = "Average CPU that autoscaling aims at."

  validation {
    condition     = var.cpu_target_percent >= 20 && var.cpu_target_percent <= 80
    error_message = "cpu_target_percent must be from 20 to 80: higher leaves nothing for the minutes that a new task takes."
  }
}

variable "metric_target" {
  type = object({
    namespace = string
    metric    = string
    target    = number
  })
  description = "A metric of the service itself to scale on as well, averaged over tasks. Null: CPU alone."
  default     = null
}

variable "scale_in_cooldown_seconds" {
  type        = number
  description = "Seconds between two removals of tasks."
  default     = 600

  validation {
    condition     = var.scale_in_cooldown_seconds >= var.drain_seconds
    error_message = "scale_in_cooldown_seconds must be at least drain_seconds (${var.drain_seconds} s), or clients sent away by one removal land on a task that the next one takes."
  }
}

variable "rollback_alarm_names" {
  type        = set(string)
  description = "Alarms that undo a deployment when they fire during it."
}

variable "log_retention_days" {
  type        = number
  description = "Days to keep the service's log."
}

variable "log_key_arn" {
  type        = string
  description = "KMS key that encrypts the log."
}
