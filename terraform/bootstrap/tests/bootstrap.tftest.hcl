# Plans only: prevent_destroy would also stop the test from clearing up.

mock_provider "aws" {
  source          = "../../test/terraform/mocks"
  override_during = plan
}

variables {
  account_id   = "123456789012"
  region       = "eu-central-1"
  environments = ["dev", "production"]
}

run "state_is_encrypted_versioned_and_private" {
  command = plan

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.state.rule[*].apply_server_side_encryption_by_default[0].sse_algorithm) == "aws:kms" && one(aws_s3_bucket_server_side_encryption_configuration.state.rule[*].apply_server_side_encryption_by_default[0].kms_master_key_id) == aws_kms_key.this.arn
    error_message = "state, which holds generated secrets, is not encrypted with our key"
  }

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled" && aws_kms_key.this.enable_key_rotation
    error_message = "an overwritten state cannot be restored, or its key never rotates"
  }

  assert {
    condition     = alltrue([aws_s3_bucket_public_access_block.state.block_public_acls, aws_s3_bucket_public_access_block.state.block_public_policy, aws_s3_bucket_public_access_block.state.ignore_public_acls, aws_s3_bucket_public_access_block.state.restrict_public_buckets])
    error_message = "the state bucket can be made public"
  }
}

run "each_environment_gets_an_empty_secret_for_its_signing_keys" {
  command = plan

  assert {
    condition     = toset([for secret in aws_secretsmanager_secret.jwt_signing_keys : secret.name]) == toset(["connect-dev/jwt-signing-keys", "connect-production/jwt-signing-keys"])
    error_message = "the stack looks for its signing keys by this name"
  }
}

run "an_account_that_is_none_is_refused" {
  command = plan

  variables {
    account_id = "production"
  }

  expect_failures = [var.account_id]
}

run "a_zone_in_place_of_a_region_is_refused" {
  command = plan

  variables {
    region = "eu-central-1a"
  }

  expect_failures = [var.region]
}

run "no_environment_is_refused" {
  command = plan

  variables {
    environments = []
  }

  expect_failures = [var.environments]
}
