output "topic_arns" {
  description = "Severity (page, ticket) to SNS topic, for whatever alerts people."
  value       = { for severity, topic in aws_sns_topic.this : severity => topic.arn }
}

output "dashboard_url" {
  description = "Where to look first."
  value       = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "rollback_alarm_names" {
  description = "Service to the alarms that undo its deployment when they fire during it."
  value = {
    gateway = [
      aws_cloudwatch_metric_alarm.errors.alarm_name,
      aws_cloudwatch_metric_alarm.metric["ack-latency"].alarm_name,
    ]
    messaging = [
      aws_cloudwatch_metric_alarm.metric["ack-latency"].alarm_name,
      aws_cloudwatch_metric_alarm.query["store-errors"].alarm_name,
    ]
  }
}
