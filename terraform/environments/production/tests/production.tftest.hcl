mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  zones      = { eu-central-1a = 0, eu-central-1b = 1, eu-central-1c = 2 }
  domain     = "example.com"
  image      = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/connect-chat@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "production_applies_and_is_protected" {
  assert {
    condition     = output.url == "https://connect.example.com" && output.cluster_name == "connect-production" && output.service_names == { gateway = "connect-production-gateway", messaging = "connect-production-messaging" }
    error_message = "production has other names than its environment's"
  }

  assert {
    condition     = module.connect.deletion_protected
    error_message = "production can be deleted by mistake"
  }

  assert {
    condition     = module.connect.nat_zones == toset(keys(var.zones))
    error_message = "a zone of production leaves through another zone"
  }
}

run "production_loses_its_protection_only_when_decommissioned" {
  variables {
    decommission = true
  }

  assert {
    condition     = !module.connect.deletion_protected
    error_message = "production could not be taken down"
  }
}

run "a_zone_of_another_region_is_refused" {
  command = plan

  variables {
    zones = { eu-central-1a = 0, us-east-1b = 1, eu-central-1c = 2 }
  }

  expect_failures = [var.zones]
}

run "an_account_that_is_none_is_refused" {
  command = plan

  variables {
    account_id = "my-account"
  }

  expect_failures = [var.account_id]
}

run "a_zone_in_place_of_a_region_is_refused" {
  command = plan

  variables {
    region = "eu-central-1a"
    zones  = { eu-central-1a = 0, eu-central-1aa = 1, eu-central-1ab = 2 }
  }

  expect_failures = [var.region]
}
