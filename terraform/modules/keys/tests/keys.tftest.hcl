mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name = "connect-test"
}

run "data_and_telemetry_have_keys_of_their_own_that_rotate" {
  assert {
    condition     = toset(keys(aws_kms_key.this)) == toset(["data", "telemetry"]) && alltrue([for key in aws_kms_key.this : key.enable_key_rotation && key.deletion_window_in_days == 30])
    error_message = "each purpose needs a key that rotates and does not vanish at once"
  }
}

run "only_the_account_opens_the_data_key" {
  assert {
    condition     = [for statement in jsondecode(aws_kms_key.this["data"].policy).Statement : statement.Principal] == [{ AWS = "arn:aws:iam::123456789012:root" }]
    error_message = "a service or another account may use the data key"
  }
}

run "the_telemetry_key_opens_for_our_logs_and_alarms_only" {
  assert {
    condition     = toset([for statement in jsondecode(aws_kms_key.this["telemetry"].policy).Statement : statement.Principal.Service if can(statement.Principal.Service)]) == toset(["logs.eu-central-1.amazonaws.com", "cloudwatch.amazonaws.com"])
    error_message = "logs and alarms are the services that need the telemetry key"
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_kms_key.this["telemetry"].policy).Statement : can(statement.Condition) && alltrue([for action in statement.Action : !strcontains(action, "*")]) if can(statement.Principal.Service)])
    error_message = "a service may use the telemetry key without a condition, or for everything"
  }
}

run "a_short_deletion_window_is_refused" {
  command = plan

  variables {
    deletion_window_days = 1
  }

  expect_failures = [var.deletion_window_days]
}
