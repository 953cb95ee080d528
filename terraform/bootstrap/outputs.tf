output "repository_url" {
  description = "Where to push images."
  value       = module.registry.repository_url
}

output "backend_config" {
  description = "Content of backend.hcl for terraform init -backend-config=backend.hcl in each environment."
  value       = <<-EOT
    bucket     = "${aws_s3_bucket.state.id}"
    region     = "${var.region}"
    kms_key_id = "${aws_kms_key.this.arn}"
  EOT
}

output "signing_key_secrets" {
  description = "Environment to the secret that a person fills with its signing keys."
  value       = { for environment, secret in aws_secretsmanager_secret.jwt_signing_keys : environment => secret.name }
}
