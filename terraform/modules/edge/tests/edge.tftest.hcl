mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name                         = "connect-test"
  domain                       = "example.com"
  vpc_id                       = "vpc-1"
  public_subnet_ids            = { eu-central-1a = "subnet-public-a", eu-central-1b = "subnet-public-b", eu-central-1c = "subnet-public-c" }
  security_group_id            = "sg-alb"
  gateway_port                 = 8080
  idle_timeout_seconds         = 120
  heartbeat_seconds            = 25
  deregistration_delay_seconds = 120
  drain_seconds                = 100
  rate_limit                   = 20000
  deletion_protection          = true
  log_retention_days           = 90
  log_key_arn                  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "the_balancer_faces_the_internet_from_public_subnets" {
  assert {
    condition     = !aws_lb.public.internal && aws_lb.public.load_balancer_type == "application" && toset(aws_lb.public.subnets) == toset(values(var.public_subnet_ids))
    error_message = "the public load balancer must be an application load balancer in the public subnets"
  }

  assert {
    condition     = toset(aws_lb.public.security_groups) == toset(["sg-alb"]) && aws_lb.public.enable_deletion_protection
    error_message = "the public load balancer needs its group and deletion protection"
  }
}

run "an_idle_websocket_outlives_two_heartbeats" {
  assert {
    condition     = aws_lb.public.idle_timeout == 120 && aws_lb.public.idle_timeout > 2 * var.heartbeat_seconds
    error_message = "the idle timeout does not cover two heartbeats"
  }
}

run "invalid_headers_are_dropped_and_every_request_and_connection_logged" {
  assert {
    condition     = aws_lb.public.drop_invalid_header_fields
    error_message = "invalid headers reach the gateway"
  }

  assert {
    condition     = aws_lb.public.access_logs[0].enabled && aws_lb.public.connection_logs[0].enabled && aws_lb.public.access_logs[0].bucket == aws_s3_bucket.logs.id
    error_message = "access and connection logs are off"
  }
}

run "port_80_only_redirects" {
  assert {
    condition     = aws_lb_listener.http.port == 80 && [for action in aws_lb_listener.http.default_action : action.type] == ["redirect"]
    error_message = "port 80 does something other than redirect"
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301" && aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS" && aws_lb_listener.http.default_action[0].redirect[0].port == "443"
    error_message = "the redirect is not a permanent one to HTTPS"
  }
}

run "https_is_tls_1_2_and_1_3_with_the_validated_certificate" {
  assert {
    condition     = aws_lb_listener.https.port == 443 && aws_lb_listener.https.protocol == "HTTPS" && aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    error_message = "the listener accepts old protocol versions or ciphers"
  }

  assert {
    condition     = aws_lb_listener.https.certificate_arn == aws_acm_certificate_validation.this.certificate_arn
    error_message = "the listener uses another certificate"
  }

  assert {
    condition     = aws_acm_certificate.this.domain_name == "connect.example.com" && aws_acm_certificate.this.validation_method == "DNS"
    error_message = "the certificate is not for the host name, or not validated by DNS"
  }

  assert {
    condition     = aws_route53_record.validation["connect.example.com"].name == "_token.connect.example.com." && aws_route53_record.validation["connect.example.com"].records == toset(["_answer.acm-validations.aws."])
    error_message = "the validation record does not answer what the certificate asks"
  }
}

run "only_the_host_name_reaches_a_gateway" {
  assert {
    condition     = aws_lb_listener.https.default_action[0].type == "fixed-response" && aws_lb_listener.https.default_action[0].fixed_response[0].status_code == "404"
    error_message = "requests for other names are not answered with a fixed 404"
  }

  assert {
    condition     = aws_lb_listener_rule.gateway.action[0].target_group_arn == aws_lb_target_group.gateway.arn && flatten([for condition in aws_lb_listener_rule.gateway.condition : [for header in condition.host_header : tolist(header.values)]]) == ["connect.example.com"]
    error_message = "the rule does not forward the host name, and it alone, to the gateway"
  }
}

run "the_gateway_target_group_fits_websockets" {
  assert {
    condition     = aws_lb_target_group.gateway.target_type == "ip" && aws_lb_target_group.gateway.protocol == "HTTP" && aws_lb_target_group.gateway.protocol_version == "HTTP1" && aws_lb_target_group.gateway.port == 8080
    error_message = "a WebSocket upgrade needs HTTP/1.1 to the gateway's port"
  }

  assert {
    condition     = aws_lb_target_group.gateway.stickiness[0].enabled && aws_lb_target_group.gateway.stickiness[0].type == "lb_cookie" && aws_lb_target_group.gateway.stickiness[0].cookie_duration <= 3600
    error_message = "sessions are not sticky by a short-lived load balancer cookie"
  }

  assert {
    condition     = aws_lb_target_group.gateway.load_balancing_algorithm_type == "least_outstanding_requests" && aws_lb_target_group.gateway.slow_start == 0
    error_message = "new connections must go where the fewest are open"
  }

  assert {
    condition     = tonumber(aws_lb_target_group.gateway.deregistration_delay) > var.drain_seconds
    error_message = "clients are cut before the gateway has sent them away"
  }

  assert {
    condition     = aws_lb_target_group.gateway.health_check[0].path == "/readyz" && aws_lb_target_group.gateway.health_check[0].matcher == "200"
    error_message = "readiness is what decides whether a gateway gets clients"
  }
}

run "a_store_failover_does_not_replace_every_gateway" {
  assert {
    condition     = aws_lb_target_group.gateway.health_check[0].interval * aws_lb_target_group.gateway.health_check[0].unhealthy_threshold >= 90
    error_message = "readiness may be lost for less time than a failover takes, and ECS would then replace every gateway"
  }
}

run "the_name_resolves_over_ipv4_and_ipv6_and_follows_health" {
  assert {
    condition     = toset(keys(aws_route53_record.public)) == toset(["A", "AAAA"]) && aws_lb.public.ip_address_type == "dualstack"
    error_message = "the host name needs A and AAAA records and a dual-stack load balancer"
  }

  assert {
    condition     = alltrue([for record in aws_route53_record.public : record.name == "connect.example.com" && record.alias[0].evaluate_target_health && record.alias[0].name == aws_lb.public.dns_name])
    error_message = "the records are not aliases of the load balancer that follow its health"
  }
}

run "the_firewall_stands_in_front_with_managed_rules_and_a_rate" {
  assert {
    condition     = aws_wafv2_web_acl_association.public.resource_arn == aws_lb.public.arn && aws_wafv2_web_acl_association.public.web_acl_arn == aws_wafv2_web_acl.this.arn
    error_message = "the firewall is not in front of the load balancer"
  }

  assert {
    condition     = one([for rule in aws_wafv2_web_acl.this.rule : rule.statement[0].rate_based_statement[0].limit if can(rule.statement[0].rate_based_statement[0].limit) && can(rule.action[0].block[0])]) == 20000
    error_message = "no rule blocks an address above the rate"
  }

  assert {
    condition = toset(flatten([for rule in aws_wafv2_web_acl.this.rule : rule.statement[0].managed_rule_group_statement[*].name])) == toset([
      "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesCommonRuleSet",
    ])
    error_message = "a managed rule group is missing"
  }
}

run "the_firewall_does_not_block_what_people_write" {
  assert {
    condition = alltrue([
      for name in ["CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "SizeRestrictions_BODY", "Log4JRCE_BODY", "NoUserAgent_HEADER"] :
      contains(flatten([for rule in aws_wafv2_web_acl.this.rule : [for group in rule.statement[0].managed_rule_group_statement : [for override in group.rule_action_override : override.name if length(override.action_to_use[0].count) > 0]]]), name)
    ])
    error_message = "a rule that matches message text or missing user agents blocks instead of counting"
  }
}

run "firewall_logs_hold_no_token" {
  assert {
    condition     = toset([for field in aws_wafv2_web_acl_logging_configuration.this.redacted_fields : field.single_header[0].name]) == toset(["authorization", "cookie", "sec-websocket-protocol"])
    error_message = "a header that carries a token is logged"
  }

  assert {
    condition     = aws_cloudwatch_log_group.waf.retention_in_days == 90 && aws_cloudwatch_log_group.waf.kms_key_id == var.log_key_arn && startswith(aws_cloudwatch_log_group.waf.name, "aws-waf-logs-")
    error_message = "the firewall's log group needs retention, a key, and the prefix that the service demands"
  }
}

run "the_log_bucket_is_closed_encrypted_and_expires" {
  assert {
    condition     = alltrue([aws_s3_bucket_public_access_block.logs.block_public_acls, aws_s3_bucket_public_access_block.logs.block_public_policy, aws_s3_bucket_public_access_block.logs.ignore_public_acls, aws_s3_bucket_public_access_block.logs.restrict_public_buckets])
    error_message = "the log bucket can be made public"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.logs.rule[*].apply_server_side_encryption_by_default[0].sse_algorithm) == "AES256" && !aws_s3_bucket.logs.force_destroy
    error_message = "the log bucket is not encrypted, or goes away with its logs in spite of deletion protection"
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.logs.rule[0].expiration[0].days == 90
    error_message = "logs are kept for another time than asked"
  }

  assert {
    condition     = [for statement in jsondecode(aws_s3_bucket_policy.logs.policy).Statement : statement.Principal.Service if statement.Effect == "Allow"] == ["logdelivery.elasticloadbalancing.amazonaws.com"]
    error_message = "someone besides the load balancer may write to the log bucket"
  }
}

run "capacity_is_reserved_when_asked" {
  variables {
    reserved_capacity_units = 500
  }

  assert {
    condition     = aws_lb.public.minimum_load_balancer_capacity[0].capacity_units == 500
    error_message = "the reservation is lost"
  }
}

run "a_heartbeat_too_slow_for_the_idle_timeout_is_refused" {
  command = plan

  variables {
    heartbeat_seconds = 60
  }

  expect_failures = [var.idle_timeout_seconds]
}

run "a_heartbeat_that_drains_batteries_is_refused" {
  command = plan

  variables {
    heartbeat_seconds = 1
  }

  expect_failures = [var.heartbeat_seconds]
}

run "an_idle_timeout_beyond_the_limit_is_refused" {
  command = plan

  variables {
    idle_timeout_seconds = 4001
  }

  expect_failures = [var.idle_timeout_seconds]
}

run "a_deregistration_delay_shorter_than_the_drain_is_refused" {
  command = plan

  variables {
    deregistration_delay_seconds = 100
  }

  expect_failures = [var.deregistration_delay_seconds]
}

run "a_cookie_for_a_day_is_refused" {
  command = plan

  variables {
    stickiness_seconds = 86400
  }

  expect_failures = [var.stickiness_seconds]
}

run "a_single_subnet_is_refused" {
  command = plan

  variables {
    public_subnet_ids = { eu-central-1a = "subnet-public-a" }
  }

  expect_failures = [var.public_subnet_ids]
}

run "a_url_in_place_of_a_domain_is_refused" {
  command = plan

  variables {
    domain = "https://example.com"
  }

  expect_failures = [var.domain]
}

run "a_rate_below_the_least_is_refused" {
  command = plan

  variables {
    rate_limit = 5
  }

  expect_failures = [var.rate_limit]
}

run "a_reservation_below_the_least_is_refused" {
  command = plan

  variables {
    reserved_capacity_units = 10
  }

  expect_failures = [var.reserved_capacity_units]
}

run "a_name_too_long_for_a_balancer_is_refused" {
  command = plan

  variables {
    name = "connect-an-environment-with-a-name"
  }

  expect_failures = [var.name]
}
