output "url" {
  description = "Where clients connect: REST below /v1, WebSocket at /ws, Swagger UI at /docs."
  value       = "https://${module.edge.hostname}"
}

output "dashboard_url" {
  description = "Where to look first."
  value       = module.observability.dashboard_url
}

output "alert_topic_arns" {
  description = "Severity (page, ticket) to SNS topic, for whatever activates people."
  value       = module.observability.topic_arns
}

output "log_groups" {
  description = "What to log group."
  value = {
    gateway   = module.gateway.log_group
    messaging = module.messaging.log_group
    firewall  = module.edge.waf_log_group
    vpc_flow  = module.network.flow_log_group
  }
}

output "access_log_bucket" {
  description = "Bucket of the public load balancer's access and connection logs."
  value       = module.edge.log_bucket
}

output "cluster_name" {
  description = "ECS cluster, for aws ecs commands."
  value       = module.cluster.name
}

output "service_names" {
  description = "Service to ECS service name."
  value = {
    gateway   = module.gateway.service_name
    messaging = module.messaging.service_name
  }
}

output "task_definition_arns" {
  description = "Service to the revision that this apply asked for: note it before a roll-out."
  value = {
    gateway   = module.gateway.task_definition_arn
    messaging = module.messaging.task_definition_arn
  }
}

output "deletion_protected" {
  description = "Whether load balancers and logs refuse to be deleted."
  value       = local.protected
}

output "nat_zones" {
  description = "Zones that hold a NAT gateway."
  value       = module.network.nat_zones
}
