# bucket, region and kms_key_id come from backend.hcl, which bootstrap prints.
terraform {
  backend "s3" {
    key          = "connect-chat/production.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
