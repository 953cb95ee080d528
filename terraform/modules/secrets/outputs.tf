output "current_arn" {
  description = "ARN of the secret in use (the first label)."
  value       = aws_secretsmanager_secret.this[var.generations[0]].arn

  # A task that starts before the value exists fails.
  depends_on = [aws_secretsmanager_secret_version.this]
}

output "also_accepted_arn" {
  description = "ARN of the other accepted secret while rotating, else the one in use."
  value       = aws_secretsmanager_secret.this[var.generations[length(var.generations) - 1]].arn

  depends_on = [aws_secretsmanager_secret_version.this]
}

output "values" {
  description = "Every value in force, for a user that accepts several."
  value       = [for version in aws_secretsmanager_secret_version.this : version.secret_string]
  sensitive   = true
}
