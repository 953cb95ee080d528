output "arns" {
  description = "Purpose (data, telemetry) to key ARN."
  value       = { for purpose, key in aws_kms_key.this : purpose => key.arn }
}
