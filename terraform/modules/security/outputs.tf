output "group_ids" {
  description = "Role (alb, gateway, nlb, messaging, store, endpoints) to security group id."
  value       = { for role, group in aws_security_group.this : role => group.id }
}

output "task_group_ids" {
  description = "The groups of the two services, known once their rules stand: a task started before them cannot fetch its image."
  value       = { for role in ["gateway", "messaging"] : role => aws_security_group.this[role].id }

  depends_on = [
    aws_vpc_security_group_egress_rule.edge,
    aws_vpc_security_group_ingress_rule.edge,
    aws_vpc_security_group_egress_rule.image_layers,
  ]
}

output "edges" {
  description = "Every permitted connection between groups."
  value       = { for name, edge in local.edges : name => "${edge.from} -> ${edge.to}:${edge.port}" }
}
