# The same file in every environment. What differs is in sizes.tf and backend.tf.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Application = "connect-chat"
      Environment = local.environment
      ManagedBy   = "terraform"
      Source      = "terraform/environments/${local.environment}"
    }
  }
}

module "connect" {
  source = "../../stack"

  environment = local.environment
  domain      = var.domain
  image       = var.image

  vpc_cidr           = local.sizes.vpc_cidr
  zones              = var.zones
  allow_zone_removal = var.allow_zone_removal
  nat                = local.sizes.nat

  gateway                 = local.sizes.gateway
  messaging               = local.sizes.messaging
  store                   = local.sizes.store
  rate_limit              = local.sizes.rate_limit
  reserved_capacity_units = local.sizes.reserved_capacity_units
  deletion_protection     = local.sizes.deletion_protection
  log_retention_days      = local.sizes.log_retention_days
  decommission            = var.decommission

  allowed_origins            = var.allowed_origins
  gateway_https_egress_cidrs = var.gateway_https_egress_cidrs
  service_token_generations  = var.service_token_generations
  store_password_generations = var.store_password_generations
  alert_emails               = var.alert_emails
}
