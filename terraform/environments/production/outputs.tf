output "url" {
  description = "Where clients connect: REST below /v1, WebSocket at /ws, Swagger UI at /docs."
  value       = module.connect.url
}

output "dashboard_url" {
  description = "Where to look first."
  value       = module.connect.dashboard_url
}

output "alert_topic_arns" {
  description = "Severity (page, ticket) to SNS topic, for whatever activates people."
  value       = module.connect.alert_topic_arns
}

output "log_groups" {
  description = "What to log group."
  value       = module.connect.log_groups
}

output "access_log_bucket" {
  description = "Bucket of the public load balancer's access and connection logs."
  value       = module.connect.access_log_bucket
}

output "cluster_name" {
  description = "ECS cluster, for aws ecs commands."
  value       = module.connect.cluster_name
}

output "service_names" {
  description = "Service to ECS service name, for aws ecs commands."
  value       = module.connect.service_names
}

output "task_definition_arns" {
  description = "Service to the revision that this apply asked for."
  value       = module.connect.task_definition_arns
}
