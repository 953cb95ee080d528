variable "name" {
  type        = string
  description = "Prefix of every resource name, such as connect-production."
}

variable "deletion_window_days" {
  type        = number
  description = "Days between asking for a key's deletion and losing everything it encrypts."
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days must be from 7 to 30, the range KMS accepts."
  }
}
