output "messaging_url" {
  description = "URL that the gateway calls."
  value       = "http://${local.hostname}:${var.port}"
}

output "messaging_target_group_arn" {
  description = "Target group of messaging, known once the listener forwards to it: a service refuses one that is not attached."
  value       = aws_lb_target_group.messaging.arn

  depends_on = [aws_lb_listener.messaging]
}

output "load_balancer_suffix" {
  description = "Dimension of the load balancer's metrics."
  value       = aws_lb.internal.arn_suffix
}

output "messaging_target_group_suffix" {
  description = "Dimension of the target group's metrics."
  value       = aws_lb_target_group.messaging.arn_suffix
}
