output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "task_definition_arn" {
  description = "Revision that runs: keep it for a roll-back."
  value       = aws_ecs_task_definition.this.arn
}

output "log_group" {
  description = "Log group of the tasks."
  value       = aws_cloudwatch_log_group.this.name
}

output "subnet_ids" {
  description = "Subnets that tasks run in."
  value       = toset(aws_ecs_service.this.network_configuration[0].subnets)
}

output "environment" {
  description = "Plain environment of the container."
  value       = tomap(local.environment)
}

output "secret_references" {
  description = "Environment name to secret reference of the container."
  value       = var.secrets
}
