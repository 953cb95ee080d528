variable "account_id" {
  type        = string
  description = "AWS account to work in. Any other is refused."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be twelve digits."
  }
}

variable "region" {
  type        = string
  description = "AWS region, such as eu-central-1."

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region, such as eu-central-1."
  }
}

variable "environments" {
  type        = set(string)
  description = "Environments of this account, each of which gets an empty secret for its signing keys."

  validation {
    condition     = length(var.environments) > 0 && alltrue([for environment in var.environments : can(regex("^[a-z][a-z0-9]{1,11}$", environment))])
    error_message = "environments must name at least one, each of 2 to 12 lower-case letters and digits."
  }
}

variable "pull_account_ids" {
  type        = set(string)
  description = "Other accounts that may pull images, when environments live in accounts of their own."
  default     = []
}
