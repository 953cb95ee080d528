data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  full_name = "${var.name}-${var.service}"
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.name

  # registry/repository[:tag][@digest]
  image_parts = regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.amazonaws\\.com/(?P<repository>[a-z0-9._/-]+)", var.image)

  container = {
    name      = var.service
    image     = var.image
    command   = var.command
    essential = true

    # The image's user, as a number: nothing has to be looked up to know that it is not root.
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }

    portMappings = [
      { name = "traffic", containerPort = var.port, hostPort = var.port, protocol = "tcp" },
      { name = "admin", containerPort = var.admin_port, hostPort = var.admin_port, protocol = "tcp" },
    ]

    # Sorted, so that the order of a map never reads as a change.
    environment = [
      for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }
    ]
    secrets = [
      for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }
    ]

    ulimits     = [{ name = "nofile", softLimit = var.open_files, hardLimit = var.open_files }]
    stopTimeout = var.stop_timeout_seconds

    mountPoints = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]

    healthCheck = {
      command     = ["CMD", "node", "-e", "fetch('http://127.0.0.1:${var.admin_port}/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }

    # Non-blocking: a slow log service must not stop the event loop. The buffer is memory, and what overflows it is lost.
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = var.service
        mode                  = "non-blocking"
        max-buffer-size       = "16m"
      }
    }
  }

  environment = merge(var.environment, { DRAIN_SECONDS = tostring(var.drain_seconds) })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/${var.service}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.full_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.container])

  # A roll-back needs the revision that ran before.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  volume {
    name = "tmp"
  }
}

resource "aws_ecs_service" "this" {
  name             = local.full_name
  cluster          = var.cluster.arn
  task_definition  = aws_ecs_task_definition.this.arn
  launch_type      = "FARGATE"
  platform_version = "1.4.0"

  # The first count; from then on autoscaling owns it.
  desired_count = var.tasks.min

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 150
  availability_zone_rebalancing      = "ENABLED"
  health_check_grace_period_seconds  = var.health_check_grace_seconds

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  network_configuration {
    subnets          = values(var.subnet_ids)
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.target_group_arn
    container_name   = var.service
    container_port   = var.port
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  alarms {
    enable      = true
    rollback    = true
    alarm_names = var.rollback_alarm_names
  }

  lifecycle {
    ignore_changes = [desired_count]

    precondition {
      condition     = local.image_parts.region == local.region
      error_message = "image is in ${local.image_parts.region}, the service in ${local.region}: tasks reach the registry of their own region only. Replicate the repository."
    }
  }

  # A task that starts before its role may read secrets fails, and stays failed until the circuit breaker gives up.
  depends_on = [aws_iam_role_policy.execution]
}
