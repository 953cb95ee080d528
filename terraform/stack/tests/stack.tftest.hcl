mock_provider "aws" {
  source = "../../test/terraform/mocks"
}

variables {
  environment                = "production"
  domain                     = "example.com"
  image                      = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  vpc_cidr                   = "10.41.0.0/16"
  zones                      = { eu-central-1a = 0, eu-central-1b = 1, eu-central-1c = 2 }
  nat                        = "per_zone"
  gateway                    = { cpu = 1024, memory = 2048, min_tasks = 6, max_tasks = 24, connections_per_task = 20000 }
  messaging                  = { cpu = 1024, memory = 2048, min_tasks = 3, max_tasks = 24 }
  store                      = { node_type = "db.r7g.large", shards = 2, replicas_per_shard = 1, snapshot_retention_days = 7 }
  rate_limit                 = 60000
  service_token_generations  = ["first"]
  store_password_generations = ["first"]
  deletion_protection        = true
  log_retention_days         = 90
  allowed_origins            = ["https://app.example.com", "https://admin.example.com"]
}

run "both_services_get_what_the_application_reads" {
  assert {
    condition = module.gateway.environment == tomap({
      HOST                   = "0.0.0.0"
      LOG_LEVEL              = "info"
      METRICS_EMF_NAMESPACE  = "Connect/production"
      REDIS_CLUSTER_URLS     = "rediss://clustercfg.mock.memorydb.eu-central-1.amazonaws.com:6379"
      REDIS_USERNAME         = "connect-production-app"
      REDIS_MIN_REPLICA_ACKS = "0"
      GATEWAY_PORT           = "8080"
      GATEWAY_ADMIN_PORT     = "9080"
      PUBLIC_URL             = "https://connect.example.com"
      TRUST_PROXY            = "10.41.0.0/16"
      DRAIN_SECONDS          = "100"
      WS_HEARTBEAT_MS        = "25000"
      WS_ALLOWED_ORIGINS     = "https://app.example.com,https://admin.example.com"
      CORS_ALLOWED_ORIGINS   = "https://app.example.com,https://admin.example.com"
      MESSAGING_URL          = "http://messaging.connect-production.internal:8081"
      MESSAGING_PING_MS      = "30000"
      JWT_ISSUER             = "https://connect.example.com"
      JWT_AUDIENCE           = "connect-chat"
    })
    error_message = "the gateway's environment differs from its contract"
  }

  assert {
    condition = module.messaging.environment == tomap({
      HOST                   = "0.0.0.0"
      LOG_LEVEL              = "info"
      METRICS_EMF_NAMESPACE  = "Connect/production"
      REDIS_CLUSTER_URLS     = "rediss://clustercfg.mock.memorydb.eu-central-1.amazonaws.com:6379"
      REDIS_USERNAME         = "connect-production-app"
      REDIS_MIN_REPLICA_ACKS = "0"
      MESSAGING_PORT         = "8081"
      MESSAGING_ADMIN_PORT   = "9081"
      DRAIN_SECONDS          = "30"
    })
    error_message = "messaging's environment differs from its contract"
  }
}

run "every_secret_is_a_reference_and_only_the_gateway_signs" {
  assert {
    condition     = toset(keys(module.gateway.secret_references)) == toset(["REDIS_PASSWORD", "SERVICE_TOKEN_SECRET", "SERVICE_TOKEN_SECRET_PREVIOUS", "JWT_SIGNING_KEYS"])
    error_message = "the gateway lacks a secret or has one too many"
  }

  assert {
    condition     = toset(keys(module.messaging.secret_references)) == toset(["REDIS_PASSWORD", "SERVICE_TOKEN_SECRET", "SERVICE_TOKEN_SECRET_PREVIOUS"])
    error_message = "messaging can sign users' tokens, or lacks a secret"
  }
}

run "services_run_in_the_private_subnets_only" {
  assert {
    condition     = module.gateway.subnet_ids == toset(values(module.network.private_subnet_ids)) && module.messaging.subnet_ids == toset(values(module.network.private_subnet_ids))
    error_message = "a service runs outside the private subnets"
  }

  assert {
    condition     = length(setintersection(values(module.network.private_subnet_ids), values(module.network.public_subnet_ids))) == 0
    error_message = "a subnet is both private and public"
  }
}

run "tokens_of_two_generations_are_accepted_while_rotating" {
  variables {
    service_token_generations = ["third", "second"]
  }

  override_resource {
    target = module.service_token.aws_secretsmanager_secret.this["third"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:third-AbCdEf" }
  }

  override_resource {
    target = module.service_token.aws_secretsmanager_secret.this["second"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:second-AbCdEf" }
  }

  assert {
    condition = alltrue([
      for references in [module.gateway.secret_references, module.messaging.secret_references] :
      references.SERVICE_TOKEN_SECRET == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:third-AbCdEf" &&
      references.SERVICE_TOKEN_SECRET_PREVIOUS == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:second-AbCdEf"
    ])
    error_message = "the two services do not sign with the first generation and accept the other"
  }
}

run "what_people_need_is_an_output" {
  assert {
    condition     = output.url == "https://connect.example.com" && output.log_groups.gateway == "/connect-production/gateway" && output.log_groups.messaging == "/connect-production/messaging" && strcontains(output.dashboard_url, "connect-production")
    error_message = "an output leads elsewhere"
  }
}

run "decommissioning_lifts_the_protection" {
  variables {
    decommission = true
  }

  assert {
    condition     = !output.deletion_protected
    error_message = "production could not be taken down"
  }
}

run "signing_keys_without_a_value_are_refused" {
  command = plan

  override_data {
    target = data.aws_secretsmanager_secret_versions.jwt_signing_keys
    values = { versions = [] }
  }

  expect_failures = [data.aws_secretsmanager_secret_versions.jwt_signing_keys]
}

# A plan of the whole stack takes seconds, so each run below spoils several variables, every one of them in one way only.
# Terraform leaves out a validation that reads another variable once that one is refused: such pairs are in different runs.

run "production_made_like_dev_is_refused" {
  command = plan

  variables {
    nat                 = "single"
    gateway             = { cpu = 1024, memory = 2048, min_tasks = 1, max_tasks = 24, connections_per_task = 20000 }
    messaging           = { cpu = 1024, memory = 2048, min_tasks = 1, max_tasks = 24 }
    store               = { node_type = "db.r7g.large", shards = 2, replicas_per_shard = 1, snapshot_retention_days = 1 }
    deletion_protection = false
    log_retention_days  = 7
  }

  expect_failures = [var.nat, var.gateway, var.messaging, var.store, var.deletion_protection, var.log_retention_days]
}

run "a_heartbeat_of_half_the_idle_timeout_and_an_image_without_digest_are_refused" {
  command = plan

  variables {
    timings         = { heartbeat_seconds = 60 }
    image           = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat"
    environment     = "acceptancetesting"
    log_level       = "verbose"
    allowed_origins = ["*"]
  }

  expect_failures = [var.timings, var.image, var.environment, var.log_level, var.allowed_origins]
}

run "a_drain_above_100_seconds_and_the_latest_tag_are_refused" {
  command = plan

  variables {
    timings            = { drain_seconds = 110, deregistration_delay_seconds = 300 }
    image              = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat:latest"
    domain             = "https://example.com"
    gateway            = { cpu = 1024, memory = 2048, min_tasks = 6, max_tasks = 1001, connections_per_task = 20000 }
    messaging          = { cpu = 1024, memory = 2048, min_tasks = 3, max_tasks = 334 }
    store              = { node_type = "db.r7g.large", shards = 2, replicas_per_shard = 0, snapshot_retention_days = 7 }
    log_retention_days = 100
  }

  expect_failures = [
    var.timings, var.image, var.domain, var.gateway, var.messaging, var.store, var.log_retention_days,
  ]
}

run "a_drain_longer_than_the_deregistration_delay_and_three_generations_are_refused" {
  command = plan

  variables {
    timings                    = { deregistration_delay_seconds = 90 }
    gateway                    = { cpu = 1024, memory = 2048, min_tasks = 6, max_tasks = 24, connections_per_task = 60000 }
    service_token_generations  = ["a", "b", "c"]
    store_password_generations = ["a", "b", "c"]
  }

  expect_failures = [var.timings, var.gateway, var.service_token_generations, var.store_password_generations]
}

run "a_stop_timeout_of_121_and_production_in_two_zones_are_refused" {
  command = plan

  variables {
    timings = { stop_timeout_seconds = 121 }
    zones   = { eu-central-1a = 0, eu-central-1b = 1 }
  }

  expect_failures = [var.timings, var.zones]
}

run "a_stop_timeout_shorter_than_the_drain_and_one_zone_are_refused" {
  command = plan

  variables {
    environment = "staging"
    timings     = { stop_timeout_seconds = 90 }
    zones       = { eu-central-1a = 0 }
  }

  expect_failures = [var.timings, var.zones]
}

run "messaging_draining_as_long_as_the_gateway_and_an_unknown_nat_are_refused" {
  command = plan

  variables {
    environment = "staging"
    timings     = { messaging_drain_seconds = 100 }
    nat         = "none"
  }

  expect_failures = [var.timings, var.nat]
}

run "a_ping_of_half_the_internal_idle_timeout_is_refused" {
  command = plan

  variables {
    timings = { messaging_ping_seconds = 175 }
  }

  expect_failures = [var.timings]
}

run "a_scale_in_faster_than_the_drain_is_refused" {
  command = plan

  variables {
    timings = { scale_in_cooldown_seconds = 60 }
  }

  expect_failures = [var.timings]
}
