mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name                 = "connect-test"
  service              = "gateway"
  cluster              = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/connect-test", name = "connect-test" }
  image                = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  command              = ["node", "gateway/server.ts"]
  cpu                  = 1024
  memory               = 2048
  tasks                = { min = 3, max = 24 }
  subnet_ids           = { eu-central-1a = "subnet-private-a", eu-central-1b = "subnet-private-b", eu-central-1c = "subnet-private-c" }
  security_group_id    = "sg-gateway"
  target_group_arn     = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/gw/1234567890abcdef"
  port                 = 8080
  admin_port           = 9080
  environment          = { HOST = "0.0.0.0", LOG_LEVEL = "info" }
  secret_key_arns      = ["arn:aws:kms:eu-central-1:123456789012:key/data"]
  drain_seconds        = 100
  cpu_target_percent   = 60
  rollback_alarm_names = ["connect-test-edge-errors"]
  log_retention_days   = 90
  log_key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"

  secrets = {
    REDIS_PASSWORD       = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:store-AbCdEf"
    SERVICE_TOKEN_SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tokens-AbCdEf:current::"
  }

  metric_target = {
    namespace = "Connect/test"
    metric    = "ActiveConnections"
    target    = 14000
  }
}

run "tasks_run_in_private_subnets_without_public_addresses" {
  assert {
    condition     = toset(aws_ecs_service.this.network_configuration[0].subnets) == toset(values(var.subnet_ids)) && !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "a task runs outside the private subnets or has a public address"
  }

  assert {
    condition     = toset(aws_ecs_service.this.network_configuration[0].security_groups) == toset(["sg-gateway"])
    error_message = "tasks must be in their own group and no other"
  }
}

run "the_container_is_locked_down" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "10001:10001" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "the container runs as root or can write to its image"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]
    error_message = "the container keeps Linux capabilities"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints == [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }] && one(aws_ecs_task_definition.this.volume).name == "tmp"
    error_message = "a read-only root needs a /tmp to write to"
  }
}

run "a_task_may_hold_tens_of_thousands_of_sockets" {
  assert {
    condition = alltrue([
      for limit in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].ulimits :
      limit.name == "nofile" && limit.softLimit == limit.hardLimit && limit.softLimit >= 100000
    ]) && length(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].ulimits) == 1
    error_message = "the limit of open files is too low"
  }
}

run "a_stopping_task_gets_two_minutes_and_less_is_spent_draining" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 120
    error_message = "the stop timeout is not 120 s"
  }

  assert {
    condition     = contains([for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable if variable.name == "DRAIN_SECONDS"], { name = "DRAIN_SECONDS", value = "100" })
    error_message = "the service is not told how long it may drain"
  }
}

run "the_task_is_arm64_on_fargate_with_the_image_and_command_given" {
  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64" && aws_ecs_task_definition.this.requires_compatibilities == toset(["FARGATE"]) && aws_ecs_task_definition.this.network_mode == "awsvpc"
    error_message = "the task is not an ARM64 Fargate task with an address of its own"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].image == var.image && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["node", "gateway/server.ts"]
    error_message = "the container runs another image or command"
  }

  assert {
    condition     = aws_ecs_task_definition.this.skip_destroy
    error_message = "a roll-back needs the revision that ran before"
  }
}

run "health_is_asked_on_the_admin_port" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command[0] == "CMD" && strcontains(join(" ", jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command), "http://127.0.0.1:9080/healthz")
    error_message = "the container's health check does not ask the admin port"
  }
}

run "secrets_are_references_and_never_plain" {
  assert {
    condition = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [
      { name = "REDIS_PASSWORD", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:store-AbCdEf" },
      { name = "SERVICE_TOKEN_SECRET", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tokens-AbCdEf:current::" },
    ]
    error_message = "secrets are not passed by reference"
  }

  assert {
    condition     = length(setintersection([for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable.name], keys(var.secrets))) == 0
    error_message = "a secret is in the plain environment as well"
  }
}

run "the_execution_role_reads_the_named_secrets_and_nothing_by_wildcard" {
  assert {
    condition = one([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource if statement.Action == "secretsmanager:GetSecretValue"]) == [
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:store-AbCdEf",
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tokens-AbCdEf",
    ]
    error_message = "the execution role may read other secrets, or not those it needs"
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : alltrue([for action in flatten([statement.Action]) : !strcontains(action, "*")])])
    error_message = "the execution role has a wildcard action"
  }

  # GetAuthorizationToken has no resource of its own.
  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Action if contains(flatten([statement.Resource]), "*")] == ["ecr:GetAuthorizationToken"]
    error_message = "the execution role may do something to every resource"
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource if statement.Sid == "Image"]) == "arn:aws:ecr:eu-central-1:123456789012:repository/connect-chat"
    error_message = "the execution role may pull from another repository than the image's"
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource if statement.Action == "kms:Decrypt"]) == ["arn:aws:kms:eu-central-1:123456789012:key/data"]
    error_message = "the execution role may decrypt with another key than the secrets'"
  }

  assert {
    condition     = aws_ecs_task_definition.this.execution_role_arn == aws_iam_role.execution.arn && jsondecode(aws_iam_role.task.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "the roles are not those of the task, or other accounts' tasks may take them"
  }
}

run "a_bad_deployment_rolls_itself_back" {
  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "the circuit breaker is off or leaves a broken deployment standing"
  }

  assert {
    condition     = aws_ecs_service.this.alarms[0].enable && aws_ecs_service.this.alarms[0].rollback && aws_ecs_service.this.alarms[0].alarm_names == toset(["connect-test-edge-errors"])
    error_message = "alarms do not undo a deployment"
  }

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent >= 100 && aws_ecs_service.this.deployment_maximum_percent == 150
    error_message = "a deployment must add tasks before it takes any"
  }
}

run "load_balancer_traffic_arrives_at_the_traffic_port" {
  assert {
    condition     = one(aws_ecs_service.this.load_balancer).container_port == 8080 && one(aws_ecs_service.this.load_balancer).container_name == "gateway" && one(aws_ecs_service.this.load_balancer).target_group_arn == var.target_group_arn
    error_message = "the service registers another port or target group"
  }
}

run "scaling_follows_cpu_and_connections_and_shrinks_slowly" {
  assert {
    condition     = aws_appautoscaling_target.this.min_capacity == 3 && aws_appautoscaling_target.this.max_capacity == 24 && aws_appautoscaling_target.this.resource_id == "service/connect-test/connect-test-gateway"
    error_message = "the bounds of scaling are not those given"
  }

  assert {
    condition     = aws_appautoscaling_policy.cpu.target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ECSServiceAverageCPUUtilization" && aws_appautoscaling_policy.cpu.target_tracking_scaling_policy_configuration[0].target_value == 60
    error_message = "scaling does not follow CPU"
  }

  assert {
    condition = (
      aws_appautoscaling_policy.metric[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metric_name == "ActiveConnections" &&
      aws_appautoscaling_policy.metric[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].statistic == "Average" &&
      aws_appautoscaling_policy.metric[0].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].dimensions == toset([{ name = "Service", value = "gateway" }]) &&
      aws_appautoscaling_policy.metric[0].target_tracking_scaling_policy_configuration[0].target_value == 14000
    )
    error_message = "scaling does not follow the average of connections a task"
  }

  assert {
    condition = alltrue([
      for policy in [aws_appautoscaling_policy.cpu, aws_appautoscaling_policy.metric[0]] :
      policy.target_tracking_scaling_policy_configuration[0].scale_in_cooldown == 600 && policy.target_tracking_scaling_policy_configuration[0].scale_out_cooldown == 30
    ])
    error_message = "scaling in must be slow (600 s), scaling out fast (30 s)"
  }
}

run "a_service_without_a_metric_scales_on_cpu_alone" {
  variables {
    metric_target = null
  }

  assert {
    condition     = length(aws_appautoscaling_policy.metric) == 0 && aws_appautoscaling_policy.cpu.policy_type == "TargetTrackingScaling"
    error_message = "a policy on no metric was made"
  }
}

run "the_log_is_kept_and_encrypted" {
  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 90 && aws_cloudwatch_log_group.this.kms_key_id == var.log_key_arn && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].logConfiguration.options["awslogs-group"] == aws_cloudwatch_log_group.this.name
    error_message = "the log group needs retention and a key, and the container must write to it"
  }
}

run "the_latest_tag_is_refused" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat:latest"
  }

  expect_failures = [var.image]
}

run "an_image_without_tag_or_digest_is_refused" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat"
  }

  expect_failures = [var.image]
}

run "an_image_of_another_registry_is_refused" {
  command = plan

  variables {
    image = "docker.io/library/connect-chat:1.0.0"
  }

  expect_failures = [var.image]
}

run "an_image_of_another_region_is_refused" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/connect-chat:1.0.0"
  }

  expect_failures = [aws_ecs_service.this]
}

run "a_version_tag_is_accepted" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat:1.4.2"
  }

  assert {
    condition     = local.image_parts.repository == "connect-chat"
    error_message = "the repository is read wrongly from a tagged image"
  }
}

run "a_password_in_the_plain_environment_is_refused" {
  command = plan

  variables {
    environment = { REDIS_PASSWORD = "hunter2" }
  }

  expect_failures = [var.environment]
}

run "a_url_with_a_password_is_refused" {
  command = plan

  variables {
    environment = { REDIS_CLUSTER_URLS = "rediss://app:hunter2@store:6379" }
  }

  expect_failures = [var.environment]
}

run "a_plain_value_among_secrets_is_refused" {
  command = plan

  variables {
    secrets = { REDIS_PASSWORD = "hunter2" }
  }

  expect_failures = [var.secrets]
}

run "a_secret_by_wildcard_is_refused" {
  command = plan

  variables {
    secrets = { REDIS_PASSWORD = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:connect-*" }
  }

  expect_failures = [var.secrets]
}

run "no_secrets_at_all_are_refused" {
  command = plan

  variables {
    secrets = {}
  }

  expect_failures = [var.secrets]
}

run "a_stop_timeout_of_121_is_refused" {
  command = plan

  variables {
    stop_timeout_seconds = 121
  }

  expect_failures = [var.stop_timeout_seconds]
}

run "a_drain_as_long_as_the_stop_timeout_is_refused" {
  command = plan

  variables {
    drain_seconds = 120
  }

  expect_failures = [var.stop_timeout_seconds]
}

run "a_scale_in_faster_than_the_drain_is_refused" {
  command = plan

  variables {
    scale_in_cooldown_seconds = 60
  }

  expect_failures = [var.scale_in_cooldown_seconds]
}

run "a_size_that_fargate_lacks_is_refused" {
  command = plan

  variables {
    cpu    = 1024
    memory = 1024
  }

  expect_failures = [var.memory]
}

run "an_unknown_cpu_is_refused" {
  command = plan

  variables {
    cpu    = 1000
    memory = 2048
  }

  expect_failures = [var.memory]
}

run "a_service_that_cannot_scale_is_refused" {
  command = plan

  variables {
    tasks = { min = 3, max = 3 }
  }

  expect_failures = [var.tasks]
}

run "a_service_of_no_tasks_is_refused" {
  command = plan

  variables {
    tasks = { min = 0, max = 3 }
  }

  expect_failures = [var.tasks]
}

run "metrics_on_the_public_port_are_refused" {
  command = plan

  variables {
    admin_port = 8080
  }

  expect_failures = [var.admin_port]
}

run "too_few_open_files_are_refused" {
  command = plan

  variables {
    open_files = 1024
  }

  expect_failures = [var.open_files]
}

run "a_cpu_target_without_headroom_is_refused" {
  command = plan

  variables {
    cpu_target_percent = 95
  }

  expect_failures = [var.cpu_target_percent]
}

run "a_name_that_is_none_is_refused" {
  command = plan

  variables {
    service = "Gateway Service"
  }

  expect_failures = [var.service]
}

run "no_drain_is_refused" {
  command = plan

  variables {
    drain_seconds = 0
  }

  expect_failures = [var.drain_seconds]
}
