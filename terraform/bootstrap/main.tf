# Once per account and region, before any environment: where state lives, where images live, and the empty secrets that a
# person fills.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Application = "connect-chat"
      ManagedBy   = "terraform"
      Source      = "terraform/bootstrap"
    }
  }
}

locals {
  name = "connect-bootstrap"
}

resource "aws_kms_key" "this" {
  description             = "Terraform state, images and signing keys of connect-chat"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  tags = { Name = local.name }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "state" {
  bucket = "connect-state-${var.account_id}-${var.region}"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket = aws_s3_bucket.state.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.state]
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    id     = "forget-old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 365
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}

module "registry" {
  source = "../modules/registry"

  name             = "connect-chat"
  key_arn          = aws_kms_key.this.arn
  pull_account_ids = var.pull_account_ids
}

# Only the name: a person puts the private keys in, so that they are in no state and no plan.
resource "aws_secretsmanager_secret" "jwt_signing_keys" {
  for_each = var.environments

  name                    = "connect-${each.key}/jwt-signing-keys"
  description             = "Private JWK set that signs access tokens; the first key signs"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
}
