variable "name" {
  type        = string
  description = "Name of the repository, such as connect-chat."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/-]{1,200}$", var.name))
    error_message = "name must be a repository name: lower-case letters, digits, and . _ / -."
  }
}

variable "key_arn" {
  type        = string
  description = "KMS key that encrypts the images."
}

variable "keep_images" {
  type        = number
  description = "Tagged images to keep: how far back a roll-back can reach."
  default     = 50

  validation {
    condition     = var.keep_images >= 10
    error_message = "keep_images must be 10 or more: an image that still runs, or that a roll-back needs, must not expire."
  }
}

variable "pull_account_ids" {
  type        = set(string)
  description = "Other accounts that may pull, when environments live in accounts of their own."
  default     = []

  validation {
    condition     = alltrue([for id in var.pull_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "pull_account_ids must hold account ids of twelve digits."
  }
}

variable "force_delete" {
  type        = bool
  description = "Let destroy delete the repository with the images in it."
  default     = false
}
