variable "name" {
  type        = string
  description = "Prefix of every resource name, such as connect-production."
}

variable "metrics_namespace" {
  type        = string
  description = "CloudWatch namespace of the services' own metrics."
}

variable "cluster_name" {
  type        = string
  description = "ECS cluster, the dimension of task metrics."
}

variable "services" {
  type        = map(object({ name = string, max_tasks = number }))
  description = "Service (gateway, messaging) to its ECS name and the most tasks that autoscaling may start."

  validation {
    condition     = toset(keys(var.services)) == toset(["gateway", "messaging"])
    error_message = "services must describe gateway and messaging."
  }
}

variable "public_load_balancer" {
  type        = object({ load_balancer = string, target_group = string })
  description = "Metric dimensions of the public load balancer and of the gateway's target group."
}

variable "internal_load_balancer" {
  type        = object({ load_balancer = string, target_group = string })
  description = "Metric dimensions of the internal load balancer and of messaging's target group."
}

variable "web_acl_name" {
  type        = string
  description = "Firewall, the dimension of its metrics."
}

variable "certificate_arn" {
  type        = string
  description = "Certificate of the public host name."
}

variable "store_cluster_name" {
  type        = string
  description = "MemoryDB cluster, the dimension of its metrics."
}

variable "key_arn" {
  type        = string
  description = "KMS key that encrypts the alert topics."
}

variable "alert_emails" {
  type        = set(string)
  description = "Addresses that get pages. Each has to confirm once. Empty: subscribe something better to the topic."
  default     = []

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alert_emails must hold e-mail addresses."
  }
}

variable "thresholds" {
  type = object({
    error_percent        = optional(number, 1)
    ack_latency_p99_ms   = optional(number, 500)
    store_errors         = optional(number, 10)
    gap_repairs          = optional(number, 600)
    messaging_queue      = optional(number, 5000)
    store_memory_percent = optional(number, 75)
    store_full_percent   = optional(number, 90)
    store_cpu_percent    = optional(number, 70)
    certificate_days     = optional(number, 21)
  })
  description = "Where alarms fire. Counts are per minute."
  default     = {}

  validation {
    condition     = var.thresholds.store_memory_percent < var.thresholds.store_full_percent && var.thresholds.store_full_percent < 100
    error_message = "thresholds: store_memory_percent (plan more memory) must be less than store_full_percent (writes are about to be refused), and that less than 100."
  }
}
