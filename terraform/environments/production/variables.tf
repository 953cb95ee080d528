variable "account_id" {
  type        = string
  description = "AWS account to work in. Any other is refused, so that a wrong profile changes nothing."

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

variable "zones" {
  type        = map(number)
  description = "Availability zone name to address slot (0 to 7). A zone keeps its slot for life; a new zone takes a free one."

  validation {
    condition     = alltrue([for zone in keys(var.zones) : startswith(zone, var.region)])
    error_message = "zones: ${join(", ", [for zone in keys(var.zones) : zone if !startswith(zone, var.region)])} is not in ${var.region}."
  }
}

variable "domain" {
  type        = string
  description = "Public Route 53 zone of this account. The service answers at connect.DOMAIN."
}

variable "image" {
  type        = string
  description = "Image of both services in ECR, by digest. The one variable that a roll-out changes."
}

variable "allowed_origins" {
  type        = list(string)
  description = "Origins of web clients, such as https://app.example.com."
  default     = []
}

variable "gateway_https_egress_cidrs" {
  type        = set(string)
  description = "IPv4 ranges that the gateway may reach on port 443, for the key sets of OIDC issuers. Empty: none."
  default     = []
}

variable "alert_emails" {
  type        = set(string)
  description = "Addresses that get pages."
  default     = []
}

variable "service_token_generations" {
  type        = list(string)
  description = "Labels of the service token: the one that signs first, then the other accepted one while rotating."
  default     = ["first"]
}

variable "store_password_generations" {
  type        = list(string)
  description = "Labels of the store's password: the one in use first, then the other accepted one while rotating."
  default     = ["first"]
}

variable "allow_zone_removal" {
  type        = bool
  description = "Let a plan remove a zone, which replaces the internal load balancer, and lift that one's deletion protection. Apply it once before the zone goes, and only for a maintenance window."
  default     = false
}

variable "decommission" {
  type        = bool
  description = "Lift deletion protection, as the step before destroy."
  default     = false
}
