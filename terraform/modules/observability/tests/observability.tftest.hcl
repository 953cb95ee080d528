mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name                   = "connect-test"
  metrics_namespace      = "Connect/test"
  cluster_name           = "connect-test"
  services               = { gateway = { name = "connect-test-gateway", max_tasks = 24 }, messaging = { name = "connect-test-messaging", max_tasks = 12 } }
  public_load_balancer   = { load_balancer = "app/public/1", target_group = "targetgroup/gw/1" }
  internal_load_balancer = { load_balancer = "net/internal/1", target_group = "targetgroup/msg/1" }
  web_acl_name           = "connect-test"
  certificate_arn        = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
  store_cluster_name     = "connect-test"
  key_arn                = "arn:aws:kms:eu-central-1:123456789012:key/telemetry"
  alert_emails           = ["on-call@example.com"]
}

run "symptoms_that_users_notice_page_once" {
  assert {
    condition = toset(local.pages) == toset([
      "edge-errors", "edge-rejects", "gateway-unhealthy", "gateway-silent", "messaging-unhealthy", "ack-latency", "store-errors", "store-full",
    ])
    error_message = "the set of pages changed"
  }

  assert {
    condition     = alltrue([for alarm in local.pages : strcontains(aws_cloudwatch_composite_alarm.users_affected.alarm_rule, "ALARM(\"connect-test-${alarm}\")")])
    error_message = "a symptom is not part of the page"
  }

  assert {
    condition     = toset(aws_cloudwatch_composite_alarm.users_affected.alarm_actions) == toset([aws_sns_topic.this["page"].arn])
    error_message = "the composite alarm pages nobody"
  }

  assert {
    condition     = alltrue([for alarm, definition in aws_cloudwatch_metric_alarm.metric : length(coalesce(definition.alarm_actions, [])) == (contains(local.pages, alarm) ? 0 : 1)])
    error_message = "a symptom pages by itself as well, or a ticket goes nowhere"
  }
}

run "every_alarm_named_in_the_page_exists" {
  assert {
    condition = length(setsubtract(
      [for alarm in local.pages : "connect-test-${alarm}"],
      concat([for alarm in aws_cloudwatch_metric_alarm.metric : alarm.alarm_name], [for alarm in aws_cloudwatch_metric_alarm.query : alarm.alarm_name], [aws_cloudwatch_metric_alarm.errors.alarm_name]),
    )) == 0
    error_message = "the page names an alarm that does not exist"
  }
}

run "unhealthy_hosts_and_rejected_connections_are_watched_at_the_right_balancer" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["gateway-unhealthy"].dimensions == tomap({ LoadBalancer = "app/public/1", TargetGroup = "targetgroup/gw/1" }) && aws_cloudwatch_metric_alarm.metric["gateway-unhealthy"].namespace == "AWS/ApplicationELB" && aws_cloudwatch_metric_alarm.metric["gateway-unhealthy"].metric_name == "UnHealthyHostCount"
    error_message = "unhealthy gateways go unnoticed"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["messaging-unhealthy"].dimensions == tomap({ LoadBalancer = "net/internal/1", TargetGroup = "targetgroup/msg/1" }) && aws_cloudwatch_metric_alarm.metric["messaging-unhealthy"].namespace == "AWS/NetworkELB"
    error_message = "unhealthy messaging tasks go unnoticed"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["edge-rejects"].metric_name == "RejectedConnectionCount" && aws_cloudwatch_metric_alarm.metric["edge-rejects"].threshold == 0
    error_message = "connections that the load balancer turns away go unnoticed"
  }
}

run "silence_is_an_alarm" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["gateway-silent"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.metric["gateway-silent"].namespace == "Connect/test" && aws_cloudwatch_metric_alarm.metric["gateway-silent"].dimensions == tomap({ Service = "gateway" })
    error_message = "no gateway at all looks like no trouble at all"
  }
}

run "the_store_is_watched_for_memory_and_cpu_on_every_node" {
  assert {
    condition = (
      one(aws_cloudwatch_metric_alarm.query["store-memory"].metric_query).expression == "SELECT MAX(DatabaseMemoryUsagePercentage) FROM \"AWS/MemoryDB\" WHERE ClusterName = 'connect-test'" &&
      aws_cloudwatch_metric_alarm.query["store-memory"].threshold == 75 &&
      aws_cloudwatch_metric_alarm.query["store-full"].threshold == 90 &&
      one(aws_cloudwatch_metric_alarm.query["store-cpu"].metric_query).expression == "SELECT MAX(EngineCPUUtilization) FROM \"AWS/MemoryDB\" WHERE ClusterName = 'connect-test'"
    )
    error_message = "a store that fills up goes unnoticed"
  }
}

run "running_at_the_maximum_is_a_ticket_for_each_service" {
  assert {
    condition = alltrue([
      for service, definition in var.services :
      aws_cloudwatch_metric_alarm.at_max[service].threshold == definition.max_tasks && aws_cloudwatch_metric_alarm.at_max[service].dimensions["ServiceName"] == definition.name
    ])
    error_message = "a service without room to grow goes unnoticed"
  }
}

run "topics_are_encrypted_and_people_subscribed" {
  assert {
    condition     = alltrue([for topic in aws_sns_topic.this : topic.kms_master_key_id == var.key_arn]) && aws_sns_topic_subscription.email["on-call@example.com"].topic_arn == aws_sns_topic.this["page"].arn
    error_message = "a topic is not encrypted, or nobody hears the page"
  }
}

run "alarms_that_undo_deployments_exist" {
  assert {
    condition     = output.rollback_alarm_names.gateway == ["connect-test-edge-errors", "connect-test-ack-latency"] && output.rollback_alarm_names.messaging == ["connect-test-ack-latency", "connect-test-store-errors"]
    error_message = "deployments watch other alarms"
  }
}

run "the_dashboard_shows_every_figure" {
  assert {
    condition = alltrue([
      for figure in [
        "ActiveConnections", "MessagesSent", "EventsDelivered", "AckLatencyP99Ms", "GapRepairs", "SlowConsumersClosed", "MessagingQueueDepth",
        "RejectedUpgrades", "StoreErrors", "DatabaseMemoryUsagePercentage", "EngineCPUUtilization", "RejectedConnectionCount", "ActiveFlowCount",
      ] : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, figure)
    ])
    error_message = "a figure is missing from the dashboard"
  }

  assert {
    condition     = length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x},${widget.y}"])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
    error_message = "two widgets lie on top of each other"
  }
}

run "thresholds_in_the_wrong_order_are_refused" {
  command = plan

  variables {
    thresholds = { store_memory_percent = 95 }
  }

  expect_failures = [var.thresholds]
}

run "an_address_that_is_none_is_refused" {
  command = plan

  variables {
    alert_emails = ["on-call"]
  }

  expect_failures = [var.alert_emails]
}

run "a_missing_service_is_refused" {
  command = plan

  variables {
    services = { gateway = { name = "g", max_tasks = 2 } }
  }

  expect_failures = [var.services]
}
