data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name
  own    = var.metrics_namespace

  search_store = "SEARCH('Namespace=\"AWS/MemoryDB\" ClusterName=\"${var.store_cluster_name}\" MetricName=\"%s\"', '%s', 60)"

  # Three to a row. Each line: [namespace, metric, dimension, value, …, options], or an expression.
  charts = [
    {
      title = "Connections"
      stat  = "Sum"
      metrics = [
        [local.own, "ActiveConnections", "Service", "gateway", { label = "all gateways" }],
        [local.own, "ActiveConnections", "Service", "gateway", { label = "average a task", stat = "Average", yAxis = "right" }],
      ]
    },
    {
      title = "Messages and deliveries a second"
      stat  = "Sum"
      metrics = [
        [{ expression = "sent / PERIOD(sent)", label = "messages sent" }],
        [{ expression = "delivered / PERIOD(delivered)", label = "events delivered" }],
        [local.own, "MessagesSent", "Service", "gateway", { id = "sent", visible = false }],
        [local.own, "EventsDelivered", "Service", "gateway", { id = "delivered", visible = false }],
      ]
    },
    {
      title = "Acknowledgement latency, p99 (ms)"
      stat  = "Average"
      metrics = [
        [local.own, "AckLatencyP99Ms", "Service", "gateway", { label = "average of gateways" }],
        [local.own, "AckLatencyP99Ms", "Service", "gateway", { label = "worst gateway", stat = "Maximum" }],
      ]
    },
    {
      title = "Gap repairs and slow consumers"
      stat  = "Sum"
      metrics = [
        [local.own, "GapRepairs", "Service", "gateway"],
        [local.own, "SlowConsumersClosed", "Service", "gateway"],
        [local.own, "RejectedUpgrades", "Service", "gateway"],
      ]
    },
    {
      title = "Gateway to messaging"
      stat  = "Maximum"
      metrics = [
        [local.own, "MessagingQueueDepth", "Service", "gateway"],
        [{ expression = "SEARCH('Namespace=\"${local.own}\" MetricName=\"StoreErrors\"', 'Sum', 60)", label = "store errors", yAxis = "right" }],
      ]
    },
    {
      title = "Tasks"
      stat  = "Average"
      metrics = [
        for service, spec in var.services :
        ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", var.cluster_name, "ServiceName", spec.name, { label = service }]
      ]
    },
    {
      title = "Task CPU and memory (%)"
      stat  = "Average"
      metrics = concat([
        for service, spec in var.services :
        ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", spec.name, { label = "${service} CPU" }]
        ], [
        for service, spec in var.services :
        ["AWS/ECS", "MemoryUtilization", "ClusterName", var.cluster_name, "ServiceName", spec.name, { label = "${service} memory" }]
      ])
    },
    {
      title = "Store: memory and engine CPU of each node (%)"
      stat  = "Maximum"
      metrics = [
        [{ expression = format(local.search_store, "DatabaseMemoryUsagePercentage", "Maximum"), label = "memory" }],
        [{ expression = format(local.search_store, "EngineCPUUtilization", "Maximum"), label = "CPU" }],
      ]
    },
    {
      title = "Store: connections, and bytes out"
      stat  = "Maximum"
      metrics = [
        [{ expression = format(local.search_store, "CurrConnections", "Maximum"), label = "connections" }],
        [{ expression = format(local.search_store, "NetworkBytesOut", "Sum"), label = "bytes out", yAxis = "right" }],
      ]
    },
    {
      title = "Public load balancer: connections"
      stat  = "Sum"
      metrics = [
        ["AWS/ApplicationELB", "ActiveConnectionCount", "LoadBalancer", var.public_load_balancer.load_balancer],
        ["AWS/ApplicationELB", "NewConnectionCount", "LoadBalancer", var.public_load_balancer.load_balancer],
        ["AWS/ApplicationELB", "RejectedConnectionCount", "LoadBalancer", var.public_load_balancer.load_balancer],
        ["AWS/ApplicationELB", "PeakLCUs", "LoadBalancer", var.public_load_balancer.load_balancer, { yAxis = "right", stat = "Maximum" }],
      ]
    },
    {
      title = "Public load balancer: responses"
      stat  = "Sum"
      metrics = [
        ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.public_load_balancer.load_balancer],
        ["AWS/ApplicationELB", "HTTPCode_Target_4XX_Count", "LoadBalancer", var.public_load_balancer.load_balancer],
        ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", var.public_load_balancer.load_balancer],
        ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", var.public_load_balancer.load_balancer],
        ["AWS/WAFV2", "BlockedRequests", "WebACL", var.web_acl_name, "Region", local.region, "Rule", "ALL"],
      ]
    },
    {
      title = "Internal load balancer"
      stat  = "Sum"
      metrics = [
        ["AWS/NetworkELB", "ActiveFlowCount", "LoadBalancer", var.internal_load_balancer.load_balancer, { stat = "Average" }],
        ["AWS/NetworkELB", "NewFlowCount", "LoadBalancer", var.internal_load_balancer.load_balancer],
        ["AWS/NetworkELB", "TCP_Target_Reset_Count", "LoadBalancer", var.internal_load_balancer.load_balancer],
        ["AWS/NetworkELB", "UnHealthyHostCount", "TargetGroup", var.internal_load_balancer.target_group, "LoadBalancer", var.internal_load_balancer.load_balancer, { stat = "Maximum", yAxis = "right" }],
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    start          = "-PT3H"
    periodOverride = "inherit"
    widgets = concat(
      [{
        type       = "alarm"
        x          = 0
        y          = 0
        width      = 24
        height     = 3
        properties = { title = "Alarms", alarms = concat([aws_cloudwatch_composite_alarm.users_affected.arn], local.alarm_arns) }
      }],
      [for index, chart in local.charts : {
        type   = "metric"
        x      = (index % 3) * 8
        y      = 3 + floor(index / 3) * 6
        width  = 8
        height = 6
        properties = {
          title   = chart.title
          region  = local.region
          view    = "timeSeries"
          stat    = chart.stat
          period  = 60
          metrics = chart.metrics
        }
      }],
    )
  })
}

locals {
  alarm_arns = concat(
    [for alarm in aws_cloudwatch_metric_alarm.metric : alarm.arn],
    [aws_cloudwatch_metric_alarm.errors.arn],
    [for alarm in aws_cloudwatch_metric_alarm.query : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.at_max : alarm.arn],
    [aws_cloudwatch_metric_alarm.certificate.arn],
  )
}
