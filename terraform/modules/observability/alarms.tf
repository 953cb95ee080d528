# Pages are for what users notice. What merely will become a symptom is a ticket.

data "aws_caller_identity" "current" {}

locals {
  gateway_app = { Service = "gateway" }

  public   = { LoadBalancer = var.public_load_balancer.load_balancer }
  gateways = { LoadBalancer = var.public_load_balancer.load_balancer, TargetGroup = var.public_load_balancer.target_group }

  internal   = { LoadBalancer = var.internal_load_balancer.load_balancer }
  messagings = { LoadBalancer = var.internal_load_balancer.load_balancer, TargetGroup = var.internal_load_balancer.target_group }

  # One metric against one threshold. severity: page or ticket. of and in: bad minutes out of watched minutes.
  metric_alarms = {
    edge-rejects = {
      severity  = "page", namespace = "AWS/ApplicationELB", metric = "RejectedConnectionCount", dimensions = local.public
      statistic = "Sum", op = "GreaterThanThreshold", threshold = 0, of = 2, in = 3, missing = "notBreaching"
      what      = "The public load balancer turns connections away: it is out of capacity, or more clients came back at once than it could scale for."
    }
    gateway-unhealthy = {
      severity  = "page", namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", dimensions = local.gateways
      statistic = "Minimum", op = "GreaterThanOrEqualToThreshold", threshold = 1, of = 5, in = 5, missing = "notBreaching"
      what      = "A gateway task has failed its readiness check for five minutes."
    }
    gateway-silent = {
      severity  = "page", namespace = var.metrics_namespace, metric = "ActiveConnections", dimensions = local.gateway_app
      statistic = "SampleCount", op = "LessThanThreshold", threshold = 1, of = 3, in = 3, missing = "breaching"
      what      = "No gateway has reported for three minutes: none runs, or the log pipeline is broken and autoscaling is blind."
    }
    messaging-unhealthy = {
      severity  = "page", namespace = "AWS/NetworkELB", metric = "UnHealthyHostCount", dimensions = local.messagings
      statistic = "Minimum", op = "GreaterThanOrEqualToThreshold", threshold = 1, of = 5, in = 5, missing = "notBreaching"
      what      = "A messaging task has failed its readiness check for five minutes."
    }
    ack-latency = {
      severity  = "page", namespace = var.metrics_namespace, metric = "AckLatencyP99Ms", dimensions = local.gateway_app
      statistic = "Average", op = "GreaterThanThreshold", threshold = var.thresholds.ack_latency_p99_ms, of = 4, in = 5, missing = "notBreaching"
      what      = "Senders wait too long for their acknowledgement (99th percentile, averaged over gateways)."
    }
    gap-repairs = {
      severity  = "ticket", namespace = var.metrics_namespace, metric = "GapRepairs", dimensions = local.gateway_app
      statistic = "Sum", op = "GreaterThanThreshold", threshold = var.thresholds.gap_repairs, of = 5, in = 10, missing = "notBreaching"
      what      = "Gateways keep reading lost events back from the log: pub/sub drops messages. Look at the store's CPU and network."
    }
    messaging-queue = {
      severity  = "ticket", namespace = var.metrics_namespace, metric = "MessagingQueueDepth", dimensions = local.gateway_app
      statistic = "Maximum", op = "GreaterThanThreshold", threshold = var.thresholds.messaging_queue, of = 5, in = 5, missing = "notBreaching"
      what      = "Commands pile up in a gateway: messaging is too small or too slow."
    }
    internal-ports = {
      severity  = "ticket", namespace = "AWS/NetworkELB", metric = "PortAllocationErrorCount", dimensions = local.internal
      statistic = "Sum", op = "GreaterThanThreshold", threshold = 0, of = 3, in = 5, missing = "notBreaching"
      what      = "The internal load balancer runs out of source ports: gateways open too many connections. Add messaging tasks."
    }
  }

  # A query covers series that this configuration cannot name: every node, also those of shards added later, and either service.
  store_query = "SELECT MAX(%s) FROM \"AWS/MemoryDB\" WHERE ClusterName = '${var.store_cluster_name}'"

  query_alarms = {
    store-errors = {
      severity  = "page", query = "SELECT SUM(StoreErrors) FROM \"${var.metrics_namespace}\""
      threshold = var.thresholds.store_errors, of = 3, in = 5, missing = "notBreaching"
      what      = "Messages cannot be stored, and their senders get errors."
    }
    store-full = {
      severity  = "page", query = format(local.store_query, "DatabaseMemoryUsagePercentage")
      threshold = var.thresholds.store_full_percent, of = 3, in = 3, missing = "missing"
      what      = "The store is nearly full. At 100 % it refuses every write. Add shards or larger nodes now."
    }
    store-memory = {
      severity  = "ticket", query = format(local.store_query, "DatabaseMemoryUsagePercentage")
      threshold = var.thresholds.store_memory_percent, of = 10, in = 10, missing = "missing"
      what      = "The store fills up: plan more shards or larger nodes."
    }
    store-cpu = {
      severity  = "ticket", query = format(local.store_query, "EngineCPUUtilization")
      threshold = var.thresholds.store_cpu_percent, of = 10, in = 10, missing = "missing"
      what      = "A shard's engine thread is busy: add shards."
    }
  }

  severity = merge(
    { for alarm, spec in local.metric_alarms : alarm => spec.severity },
    { for alarm, spec in local.query_alarms : alarm => spec.severity },
    { edge-errors = "page", certificate = "ticket" },
    { for service in keys(var.services) : "${service}-at-max" => "ticket" },
  )

  # Pages go through the composite alarm; only tickets act on their own.
  actions = { for alarm, severity in local.severity : alarm => severity == "ticket" ? [aws_sns_topic.this["ticket"].arn] : [] }
  pages   = sort([for alarm, severity in local.severity : alarm if severity == "page"])
}

resource "aws_sns_topic" "this" {
  for_each = toset(["page", "ticket"])

  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this

  arn = each.value.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = each.value.arn
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alert_emails

  topic_arn = aws_sns_topic.this["page"].arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "metric" {
  for_each = local.metric_alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = each.value.what

  namespace   = each.value.namespace
  metric_name = each.value.metric
  dimensions  = each.value.dimensions
  statistic   = each.value.statistic
  period      = 60

  comparison_operator = each.value.op
  threshold           = each.value.threshold
  datapoints_to_alarm = each.value.of
  evaluation_periods  = each.value.in
  treat_missing_data  = each.value.missing

  alarm_actions = local.actions[each.key]
  ok_actions    = local.actions[each.key]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name        = "${var.name}-edge-errors"
  alarm_description = "More than ${var.thresholds.error_percent} % of requests and upgrades fail with a 5xx. Fewer than 100 a minute do not count."

  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.error_percent
  datapoints_to_alarm = 3
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "percent"
    label       = "Failed requests (%)"
    expression  = "IF(requests > 100, 100 * (FILL(balancer, 0) + FILL(target, 0)) / requests, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { requests = "RequestCount", balancer = "HTTPCode_ELB_5XX_Count", target = "HTTPCode_Target_5XX_Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = local.public
        stat        = "Sum"
        period      = 60
      }
    }
  }

  alarm_actions = local.actions["edge-errors"]
  ok_actions    = local.actions["edge-errors"]
}

resource "aws_cloudwatch_metric_alarm" "query" {
  for_each = local.query_alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = each.value.what

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  datapoints_to_alarm = each.value.of
  evaluation_periods  = each.value.in
  treat_missing_data  = each.value.missing

  metric_query {
    id          = "worst"
    label       = each.key
    expression  = each.value.query
    period      = 60
    return_data = true
  }

  alarm_actions = local.actions[each.key]
  ok_actions    = local.actions[each.key]
}

resource "aws_cloudwatch_metric_alarm" "at_max" {
  for_each = var.services

  alarm_name        = "${var.name}-${each.key}-at-max"
  alarm_description = "${each.key} has run its most tasks (${each.value.max_tasks}) for ten minutes: the next peak finds no room. Raise the maximum."

  namespace   = "ECS/ContainerInsights"
  metric_name = "RunningTaskCount"
  dimensions  = { ClusterName = var.cluster_name, ServiceName = each.value.name }
  statistic   = "Minimum"
  period      = 60

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.max_tasks
  evaluation_periods  = 10
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions["${each.key}-at-max"]
  ok_actions    = local.actions["${each.key}-at-max"]
}

resource "aws_cloudwatch_metric_alarm" "certificate" {
  alarm_name        = "${var.name}-certificate"
  alarm_description = "The certificate expires within ${var.thresholds.certificate_days} days, so its renewal is stuck: look at the validation record."

  namespace   = "AWS/CertificateManager"
  metric_name = "DaysToExpiry"
  dimensions  = { CertificateArn = var.certificate_arn }
  statistic   = "Minimum"
  period      = 86400

  comparison_operator = "LessThanThreshold"
  threshold           = var.thresholds.certificate_days
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions["certificate"]
  ok_actions    = local.actions["certificate"]
}

# One page an incident, however many symptoms it has.
resource "aws_cloudwatch_composite_alarm" "users_affected" {
  alarm_name        = "${var.name}-users-affected"
  alarm_description = "Users notice something. See which of these is in alarm: ${join(", ", local.pages)}."
  alarm_rule        = join(" OR ", [for alarm in local.pages : "ALARM(\"${var.name}-${alarm}\")"])

  alarm_actions = [aws_sns_topic.this["page"].arn]
  ok_actions    = [aws_sns_topic.this["page"].arn]

  depends_on = [
    aws_cloudwatch_metric_alarm.metric,
    aws_cloudwatch_metric_alarm.errors,
    aws_cloudwatch_metric_alarm.query,
  ]
}
