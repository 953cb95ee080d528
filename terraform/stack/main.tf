locals {
  name      = "connect-${var.environment}"
  protected = var.deletion_protection && !var.decommission

  ports = {
    gateway         = 8080
    gateway_admin   = 9080
    messaging       = 8081
    messaging_admin = 9081
    store           = 6379
  }

  metrics_namespace = "Connect/${var.environment}"
}

module "keys" {
  source = "../modules/keys"

  name = local.name
}

module "network" {
  source = "../modules/network"

  name                       = local.name
  vpc_cidr                   = var.vpc_cidr
  zones                      = var.zones
  allow_zone_removal         = var.allow_zone_removal
  nat                        = var.nat
  endpoint_security_group_id = module.security.group_ids["endpoints"]
  log_retention_days         = var.log_retention_days
  log_key_arn                = module.keys.arns["telemetry"]
}

module "security" {
  source = "../modules/security"

  name                       = local.name
  vpc_id                     = module.network.vpc_id
  s3_prefix_list_id          = module.network.s3_prefix_list_id
  gateway_https_egress_cidrs = var.gateway_https_egress_cidrs

  ports = {
    gateway         = local.ports.gateway
    messaging       = local.ports.messaging
    messaging_admin = local.ports.messaging_admin
    store           = local.ports.store
  }
}

module "edge" {
  source = "../modules/edge"

  name              = local.name
  domain            = var.domain
  vpc_id            = module.network.vpc_id
  public_subnet_ids = module.network.public_subnet_ids
  security_group_id = module.security.group_ids["alb"]
  gateway_port      = local.ports.gateway

  idle_timeout_seconds         = var.timings.idle_timeout_seconds
  heartbeat_seconds            = var.timings.heartbeat_seconds
  deregistration_delay_seconds = var.timings.deregistration_delay_seconds
  drain_seconds                = var.timings.drain_seconds

  rate_limit              = var.rate_limit
  reserved_capacity_units = var.reserved_capacity_units
  deletion_protection     = local.protected
  log_retention_days      = var.log_retention_days
  log_key_arn             = module.keys.arns["telemetry"]
}

module "internal_lb" {
  source = "../modules/internal-lb"

  name               = local.name
  vpc_id             = module.network.vpc_id
  private_subnet_ids = module.network.private_subnet_ids
  security_group_id  = module.security.group_ids["nlb"]
  port               = local.ports.messaging
  admin_port         = local.ports.messaging_admin

  idle_timeout_seconds         = var.timings.messaging_idle_seconds
  ping_seconds                 = var.timings.messaging_ping_seconds
  deregistration_delay_seconds = var.timings.deregistration_delay_seconds
  drain_seconds                = var.timings.messaging_drain_seconds

  # Removing a zone replaces this load balancer, so the first step towards it lifts the protection.
  deletion_protection = local.protected && !var.allow_zone_removal
}

module "service_token" {
  source = "../modules/secrets"

  name                 = local.name
  purpose              = "service-token"
  generations          = var.service_token_generations
  key_arn              = module.keys.arns["data"]
  recovery_window_days = local.protected ? 30 : 0
}

module "store_password" {
  source = "../modules/secrets"

  name                 = local.name
  purpose              = "store-password"
  generations          = var.store_password_generations
  key_arn              = module.keys.arns["data"]
  recovery_window_days = local.protected ? 30 : 0
}

# The private keys that sign users' tokens never pass through Terraform: bootstrap makes the empty secret, a person fills it.
data "aws_secretsmanager_secret" "jwt_signing_keys" {
  name = "${local.name}/jwt-signing-keys"
}

data "aws_secretsmanager_secret_versions" "jwt_signing_keys" {
  secret_id = data.aws_secretsmanager_secret.jwt_signing_keys.id

  lifecycle {
    postcondition {
      condition     = anytrue([for version in coalesce(self.versions, []) : contains(version.version_stages, "AWSCURRENT")])
      error_message = "The secret ${local.name}/jwt-signing-keys has no value, so no gateway could start. Put a private JWK set in it: see \"First installation\" in terraform/README.md."
    }
  }
}

module "store" {
  source = "../modules/store"

  name              = local.name
  subnet_ids        = module.network.data_subnet_ids
  security_group_id = module.security.group_ids["store"]
  port              = local.ports.store
  key_arn           = module.keys.arns["data"]
  passwords         = module.store_password.values
  size              = var.store
  final_snapshot    = local.protected
}

module "cluster" {
  source = "../modules/cluster"

  name = local.name
}

module "observability" {
  source = "../modules/observability"

  name              = local.name
  metrics_namespace = local.metrics_namespace
  cluster_name      = module.cluster.name
  key_arn           = module.keys.arns["telemetry"]
  alert_emails      = var.alert_emails

  services = {
    gateway   = { name = "${local.name}-gateway", max_tasks = var.gateway.max_tasks }
    messaging = { name = "${local.name}-messaging", max_tasks = var.messaging.max_tasks }
  }

  public_load_balancer = {
    load_balancer = module.edge.load_balancer_suffix
    target_group  = module.edge.gateway_target_group_suffix
  }

  internal_load_balancer = {
    load_balancer = module.internal_lb.load_balancer_suffix
    target_group  = module.internal_lb.messaging_target_group_suffix
  }

  web_acl_name       = module.edge.web_acl_name
  certificate_arn    = module.edge.certificate_arn
  store_cluster_name = local.name
}
