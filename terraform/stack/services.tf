locals {
  common_environment = {
    HOST                  = "0.0.0.0"
    LOG_LEVEL             = var.log_level
    METRICS_EMF_NAMESPACE = local.metrics_namespace
    REDIS_CLUSTER_URLS    = module.store.url
    REDIS_USERNAME        = module.store.user_name

    # MemoryDB acknowledges only what its multi-zone log holds; waiting for replicas would add nothing but time.
    REDIS_MIN_REPLICA_ACKS = "0"
  }

  common_secrets = {
    REDIS_PASSWORD                = module.store_password.current_arn
    SERVICE_TOKEN_SECRET          = module.service_token.current_arn
    SERVICE_TOKEN_SECRET_PREVIOUS = module.service_token.also_accepted_arn
  }

  secret_key_arns = toset(compact([module.keys.arns["data"], data.aws_secretsmanager_secret.jwt_signing_keys.kms_key_id]))
}

module "gateway" {
  source = "../modules/service"

  name              = local.name
  service           = "gateway"
  cluster           = { arn = module.cluster.arn, name = module.cluster.name }
  image             = var.image
  command           = ["node", "gateway/server.ts"]
  cpu               = var.gateway.cpu
  memory            = var.gateway.memory
  tasks             = { min = var.gateway.min_tasks, max = var.gateway.max_tasks }
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.security.task_group_ids["gateway"]
  target_group_arn  = module.edge.gateway_target_group_arn
  port              = local.ports.gateway
  admin_port        = local.ports.gateway_admin

  environment = merge(local.common_environment, {
    GATEWAY_PORT       = tostring(local.ports.gateway)
    GATEWAY_ADMIN_PORT = tostring(local.ports.gateway_admin)
    PUBLIC_URL         = "https://${module.edge.hostname}"

    # The load balancer is the only hop, and the only peer that a gateway's security group admits.
    TRUST_PROXY = module.network.vpc_cidr

    WS_HEARTBEAT_MS      = tostring(var.timings.heartbeat_seconds * 1000)
    WS_ALLOWED_ORIGINS   = join(",", var.allowed_origins)
    CORS_ALLOWED_ORIGINS = join(",", var.allowed_origins)
    MESSAGING_URL        = module.internal_lb.messaging_url
    MESSAGING_PING_MS    = tostring(var.timings.messaging_ping_seconds * 1000)
    JWT_ISSUER           = "https://${module.edge.hostname}"
    JWT_AUDIENCE         = "connect-chat"
  })

  secrets = merge(local.common_secrets, {
    JWT_SIGNING_KEYS = data.aws_secretsmanager_secret.jwt_signing_keys.arn
  })

  secret_key_arns           = local.secret_key_arns
  drain_seconds             = var.timings.drain_seconds
  stop_timeout_seconds      = var.timings.stop_timeout_seconds
  scale_in_cooldown_seconds = var.timings.scale_in_cooldown_seconds
  cpu_target_percent        = 60
  rollback_alarm_names      = module.observability.rollback_alarm_names["gateway"]
  log_retention_days        = var.log_retention_days
  log_key_arn               = module.keys.arns["telemetry"]

  # 0.7 of what a task holds: the loss of a zone of three moves half as much again onto the others.
  metric_target = {
    namespace = local.metrics_namespace
    metric    = "ActiveConnections"
    target    = floor(0.7 * var.gateway.connections_per_task)
  }
}

module "messaging" {
  source = "../modules/service"

  name              = local.name
  service           = "messaging"
  cluster           = { arn = module.cluster.arn, name = module.cluster.name }
  image             = var.image
  command           = ["node", "messaging/server.ts"]
  cpu               = var.messaging.cpu
  memory            = var.messaging.memory
  tasks             = { min = var.messaging.min_tasks, max = var.messaging.max_tasks }
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.security.task_group_ids["messaging"]
  target_group_arn  = module.internal_lb.messaging_target_group_arn
  port              = local.ports.messaging
  admin_port        = local.ports.messaging_admin

  environment = merge(local.common_environment, {
    MESSAGING_PORT       = tostring(local.ports.messaging)
    MESSAGING_ADMIN_PORT = tostring(local.ports.messaging_admin)
  })

  secrets = local.common_secrets

  secret_key_arns           = [module.keys.arns["data"]]
  drain_seconds             = var.timings.messaging_drain_seconds
  stop_timeout_seconds      = var.timings.stop_timeout_seconds
  scale_in_cooldown_seconds = var.timings.scale_in_cooldown_seconds
  cpu_target_percent        = 55
  rollback_alarm_names      = module.observability.rollback_alarm_names["messaging"]
  log_retention_days        = var.log_retention_days
  log_key_arn               = module.keys.arns["telemetry"]
}
