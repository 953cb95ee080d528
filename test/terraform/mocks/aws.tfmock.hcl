# Values that the provider computes and checks the form of. Everything else may be whatever the mock makes up.

mock_data "aws_region" {
  defaults = {
    name = "eu-central-1"
  }
}

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
  }
}

mock_data "aws_availability_zones" {
  defaults = {
    names = ["eu-central-1a", "eu-central-1b", "eu-central-1c", "eu-central-1d"]
  }
}

mock_data "aws_subnets" {
  defaults = {
    ids = []
  }
}

mock_data "aws_route53_zone" {
  defaults = {
    zone_id = "Z0PUBLIC"
  }
}

mock_data "aws_secretsmanager_random_password" {
  defaults = {
    random_password = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01"
  }
}

mock_data "aws_secretsmanager_secret" {
  defaults = {
    arn        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:jwt-signing-keys-AbCdEf"
    id         = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:jwt-signing-keys-AbCdEf"
    kms_key_id = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
  }
}

mock_data "aws_secretsmanager_secret_versions" {
  defaults = {
    versions = [{ version_id = "v1", version_stages = ["AWSCURRENT"], created_time = "", last_accessed_date = "" }]
  }
}

mock_resource "aws_vpc" {
  defaults = {
    ipv6_cidr_block = "2001:db8:1234:1a00::/56"
  }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = {
    arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mock"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::123456789012:role/mock"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = {
    arn = "arn:aws:s3:::mock"
  }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"

    domain_validation_options = [{
      domain_name           = "connect.example.com"
      resource_record_name  = "_token.connect.example.com."
      resource_record_type  = "CNAME"
      resource_record_value = "_answer.acm-validations.aws."
    }]
  }
}

mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/mock/1234567890abcdef"
    arn_suffix = "app/mock/1234567890abcdef"
    dns_name   = "mock.elb.amazonaws.com"
    zone_id    = "Z0BALANCER"
  }
}

mock_resource "aws_lb_listener" {
  defaults = {
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/mock/1234567890abcdef/1234567890abcdef"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/mock/1234567890abcdef"
    arn_suffix = "targetgroup/mock/1234567890abcdef"
  }
}

mock_resource "aws_wafv2_web_acl" {
  defaults = {
    arn = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/mock/1"
  }
}

mock_resource "aws_sns_topic" {
  defaults = {
    arn = "arn:aws:sns:eu-central-1:123456789012:mock"
  }
}

mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = {
    arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:mock"
  }
}

mock_resource "aws_cloudwatch_composite_alarm" {
  defaults = {
    arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:composite"
  }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = {
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mock-AbCdEf"
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/mock"
  }
}

mock_resource "aws_ecs_task_definition" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mock:1"
  }
}

mock_resource "aws_memorydb_cluster" {
  defaults = {
    cluster_endpoint = [{ address = "clustercfg.mock.memorydb.eu-central-1.amazonaws.com", port = 6379 }]
  }
}
