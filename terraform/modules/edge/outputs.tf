output "hostname" {
  description = "Public host name."
  value       = local.hostname
}

output "gateway_target_group_arn" {
  description = "Target group of the gateway, known once a listener forwards to it: a service refuses one that is not attached."
  value       = aws_lb_target_group.gateway.arn

  depends_on = [aws_lb_listener_rule.gateway]
}

output "load_balancer_suffix" {
  description = "Dimension of the load balancer's metrics."
  value       = aws_lb.public.arn_suffix
}

output "gateway_target_group_suffix" {
  description = "Dimension of the target group's metrics."
  value       = aws_lb_target_group.gateway.arn_suffix
}

output "web_acl_name" {
  description = "Dimension of the firewall's metrics."
  value       = aws_wafv2_web_acl.this.name
}

output "certificate_arn" {
  description = "Certificate of the public host name."
  value       = aws_acm_certificate_validation.this.certificate_arn
}

output "log_bucket" {
  description = "Bucket of the access and connection logs."
  value       = aws_s3_bucket.logs.id
}

output "waf_log_group" {
  description = "Log group of blocked and counted requests."
  value       = aws_cloudwatch_log_group.waf.name
}
