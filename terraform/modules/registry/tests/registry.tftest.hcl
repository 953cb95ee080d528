mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name    = "connect-chat"
  key_arn = "arn:aws:kms:eu-central-1:123456789012:key/bootstrap"
}

run "images_are_scanned_encrypted_and_their_tags_never_move" {
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "tags may move, or images are not scanned"
  }

  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].encryption_type == "KMS" && aws_ecr_repository.this.encryption_configuration[0].kms_key == var.key_arn && !aws_ecr_repository.this.force_delete
    error_message = "images are not encrypted with our key, or go away with the repository"
  }
}

run "old_images_expire_and_enough_stay_to_roll_back" {
  assert {
    condition     = { for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.selection.tagStatus => rule.selection.countNumber } == { untagged = 7, any = 50 }
    error_message = "images expire by another rule"
  }
}

run "nobody_else_pulls_unless_named" {
  assert {
    condition     = length(aws_ecr_repository_policy.pull) == 0
    error_message = "another account may pull"
  }
}

run "a_named_account_pulls_and_does_nothing_else" {
  variables {
    pull_account_ids = ["210987654321"]
  }

  assert {
    condition     = jsondecode(aws_ecr_repository_policy.pull[0].policy).Statement[0].Principal.AWS == ["arn:aws:iam::210987654321:root"] && alltrue([for action in jsondecode(aws_ecr_repository_policy.pull[0].policy).Statement[0].Action : !startswith(action, "ecr:Put")])
    error_message = "the named account cannot pull, or may push"
  }
}

run "keeping_too_few_images_is_refused" {
  command = plan

  variables {
    keep_images = 3
  }

  expect_failures = [var.keep_images]
}

run "an_account_that_is_none_is_refused" {
  command = plan

  variables {
    pull_account_ids = ["production"]
  }

  expect_failures = [var.pull_account_ids]
}

run "a_name_that_is_none_is_refused" {
  command = plan

  variables {
    name = "Connect Chat"
  }

  expect_failures = [var.name]
}
