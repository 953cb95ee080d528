variable "name" {
  type        = string
  description = "Prefix of the secret's name, such as connect-production."
}

variable "purpose" {
  type        = string
  description = "What the secret opens, in kebab case, such as store-password. It is part of the name."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]+$", var.purpose))
    error_message = "purpose must be kebab case, such as store-password."
  }
}

variable "generations" {
  type        = list(string)
  description = "Labels of the values in force, the one in use first, such as [\"2026-01\"]. Two labels mean that a rotation is under way and both are accepted."

  validation {
    condition     = length(var.generations) >= 1 && length(var.generations) <= 2
    error_message = "generations needs one label, or two while rotating: services and MemoryDB users accept two values at most."
  }

  validation {
    condition     = length(distinct(var.generations)) == length(var.generations)
    error_message = "generations repeats a label; a new value needs a new label."
  }

  validation {
    condition     = alltrue([for label in var.generations : can(regex("^[a-z0-9][a-z0-9-]{0,30}$", label))])
    error_message = "generations: labels are lower-case letters, digits and hyphens, such as 2026-01."
  }
}

variable "length" {
  type        = number
  description = "Characters of each generated value: letters and digits only, so that it fits a URL and a header unescaped."
  default     = 64

  validation {
    condition     = var.length >= 32 && var.length <= 128
    error_message = "length must be from 32 to 128: shorter is guessable, longer is refused by MemoryDB."
  }
}

variable "key_arn" {
  type        = string
  description = "KMS key that encrypts the values."
}

variable "recovery_window_days" {
  type        = number
  description = "Days in which a deleted secret can still be restored; 0 deletes at once."
  default     = 30

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days must be 0 or from 7 to 30, the range Secrets Manager accepts."
  }
}
