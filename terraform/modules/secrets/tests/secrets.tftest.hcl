mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name        = "connect-test"
  purpose     = "service-token"
  generations = ["2026-01"]
  key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/data"
}

run "a_secret_has_a_long_random_value_and_our_key" {
  assert {
    condition     = aws_secretsmanager_secret.this["2026-01"].kms_key_id == var.key_arn && aws_secretsmanager_secret.this["2026-01"].name == "connect-test/service-token/2026-01" && aws_secretsmanager_secret.this["2026-01"].recovery_window_in_days == 30
    error_message = "the secret has another key or name, or is gone at once when deleted"
  }

  assert {
    condition     = data.aws_secretsmanager_random_password.this["2026-01"].password_length == 64 && data.aws_secretsmanager_random_password.this["2026-01"].exclude_punctuation
    error_message = "the value is short, or needs escaping in a URL"
  }

  assert {
    condition     = output.current_arn == output.also_accepted_arn && nonsensitive(length(output.values)) == 1
    error_message = "with one generation, both names lead to it"
  }
}

run "rotating_keeps_both_and_the_first_label_is_in_use" {
  variables {
    generations = ["2026-07", "2026-04"]
  }

  override_resource {
    target = aws_secretsmanager_secret.this["2026-07"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:new-AbCdEf" }
  }

  override_resource {
    target = aws_secretsmanager_secret.this["2026-04"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:old-AbCdEf" }
  }

  assert {
    condition     = output.current_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:new-AbCdEf" && output.also_accepted_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:old-AbCdEf"
    error_message = "the order of the labels does not decide which one is in use"
  }

  assert {
    condition     = nonsensitive(length(output.values)) == 2
    error_message = "a user that accepts both values is given one"
  }
}

run "three_generations_are_refused" {
  command = plan

  variables {
    generations = ["a", "b", "c"]
  }

  expect_failures = [var.generations]
}

run "no_generation_is_refused" {
  command = plan

  variables {
    generations = []
  }

  expect_failures = [var.generations]
}

run "a_label_twice_is_refused" {
  command = plan

  variables {
    generations = ["a", "a"]
  }

  expect_failures = [var.generations]
}

run "a_label_that_is_no_name_is_refused" {
  command = plan

  variables {
    generations = ["July 2026"]
  }

  expect_failures = [var.generations]
}

run "a_guessable_length_is_refused" {
  command = plan

  variables {
    length = 12
  }

  expect_failures = [var.length]
}

run "a_recovery_window_that_does_not_exist_is_refused" {
  command = plan

  variables {
    recovery_window_days = 3
  }

  expect_failures = [var.recovery_window_days]
}

run "a_purpose_with_a_slash_is_refused" {
  command = plan

  variables {
    purpose = "service/token"
  }

  expect_failures = [var.purpose]
}
