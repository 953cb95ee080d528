resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster.name}/${aws_ecs_service.this.name}"
  min_capacity       = var.tasks.min
  max_capacity       = var.tasks.max
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "${local.full_name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.cpu_target_percent
    scale_out_cooldown = 30
    scale_in_cooldown  = var.scale_in_cooldown_seconds

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

# Idle sockets cost memory and hardly any CPU, and the load balancer counts a socket once, when it opens. Every task
# publishes its own count each minute, so the average over samples is the average over tasks.
resource "aws_appautoscaling_policy" "metric" {
  count = var.metric_target == null ? 0 : 1

  name               = "${local.full_name}-${lower(var.metric_target.metric)}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.metric_target.target
    scale_out_cooldown = 30
    scale_in_cooldown  = var.scale_in_cooldown_seconds

    customized_metric_specification {
      namespace   = var.metric_target.namespace
      metric_name = var.metric_target.metric
      statistic   = "Average"

      dimensions {
        name  = "Service"
        value = var.service
      }
    }
  }
}
