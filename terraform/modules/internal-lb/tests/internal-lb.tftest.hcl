mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name                         = "connect-test"
  vpc_id                       = "vpc-1"
  private_subnet_ids           = { eu-central-1a = "subnet-private-a", eu-central-1b = "subnet-private-b" }
  security_group_id            = "sg-nlb"
  port                         = 8081
  admin_port                   = 9081
  idle_timeout_seconds         = 350
  ping_seconds                 = 30
  deregistration_delay_seconds = 120
  drain_seconds                = 30
  deletion_protection          = true
}

run "the_balancer_is_internal_and_crosses_zones" {
  assert {
    condition     = aws_lb.internal.internal && aws_lb.internal.load_balancer_type == "network" && toset(aws_lb.internal.subnets) == toset(values(var.private_subnet_ids))
    error_message = "the internal load balancer must be a network load balancer in the private subnets"
  }

  assert {
    condition     = aws_lb.internal.enable_cross_zone_load_balancing && aws_lb.internal.enable_deletion_protection
    error_message = "cross-zone balancing or deletion protection is off"
  }

  assert {
    condition     = toset(aws_lb.internal.security_groups) == toset(["sg-nlb"])
    error_message = "a network load balancer that is made without a group can never be given one"
  }
}

run "the_target_group_is_plain_tcp_with_http_health" {
  assert {
    condition     = aws_lb_target_group.messaging.protocol == "TCP" && aws_lb_target_group.messaging.target_type == "ip" && aws_lb_target_group.messaging.port == 8081 && aws_lb_target_group.messaging.preserve_client_ip == "false"
    error_message = "messaging is reached over TCP by address, without the caller's address"
  }

  assert {
    condition     = aws_lb_target_group.messaging.health_check[0].protocol == "HTTP" && aws_lb_target_group.messaging.health_check[0].port == "9081" && aws_lb_target_group.messaging.health_check[0].path == "/readyz"
    error_message = "readiness is asked over HTTP on the admin port"
  }
}

run "a_drain_ends_before_connections_are_cut" {
  assert {
    condition     = tonumber(aws_lb_target_group.messaging.deregistration_delay) > var.drain_seconds && aws_lb_target_group.messaging.connection_termination
    error_message = "connections must be cut at the end of a delay that is longer than the drain"
  }

  assert {
    condition     = !aws_lb_target_group.messaging.target_health_state[0].enable_unhealthy_connection_termination
    error_message = "a draining task is unhealthy on purpose; its calls would be cut at once"
  }
}

run "a_store_failover_does_not_replace_every_task" {
  assert {
    condition     = aws_lb_target_group.messaging.health_check[0].interval * aws_lb_target_group.messaging.health_check[0].unhealthy_threshold >= 60
    error_message = "readiness may be lost for less time than a failover takes, and ECS would then replace every task"
  }
}

run "the_listener_forwards_and_remembers_idle_connections" {
  assert {
    condition     = aws_lb_listener.messaging.protocol == "TCP" && aws_lb_listener.messaging.port == 8081 && aws_lb_listener.messaging.default_action[0].target_group_arn == aws_lb_target_group.messaging.arn
    error_message = "the listener does not forward TCP to messaging"
  }

  assert {
    condition     = aws_lb_listener.messaging.tcp_idle_timeout_seconds <= 350 && 2 * var.ping_seconds < aws_lb_listener.messaging.tcp_idle_timeout_seconds
    error_message = "the load balancer forgets a connection before two pings"
  }
}

run "the_gateway_uses_a_private_name" {
  assert {
    condition     = output.messaging_url == "http://messaging.connect-test.internal:8081"
    error_message = "the URL is not the private name"
  }

  assert {
    condition     = one(aws_route53_zone.internal.vpc[*].vpc_id) == "vpc-1" && aws_route53_record.messaging.zone_id == aws_route53_zone.internal.zone_id && aws_route53_record.messaging.alias[0].name == aws_lb.internal.dns_name
    error_message = "the name is not a private alias of the load balancer"
  }
}

run "an_idle_timeout_beyond_350_is_refused" {
  command = plan

  variables {
    idle_timeout_seconds = 600
  }

  expect_failures = [var.idle_timeout_seconds]
}

run "a_ping_too_slow_for_the_idle_timeout_is_refused" {
  command = plan

  variables {
    ping_seconds = 175
  }

  expect_failures = [var.idle_timeout_seconds]
}

run "no_pings_at_all_are_refused" {
  command = plan

  variables {
    ping_seconds = 0
  }

  expect_failures = [var.ping_seconds]
}

run "a_deregistration_delay_shorter_than_the_drain_is_refused" {
  command = plan

  variables {
    deregistration_delay_seconds = 30
  }

  expect_failures = [var.deregistration_delay_seconds]
}

run "health_on_the_api_port_is_refused" {
  command = plan

  variables {
    admin_port = 8081
  }

  expect_failures = [var.admin_port]
}

run "a_single_subnet_is_refused" {
  command = plan

  variables {
    private_subnet_ids = { eu-central-1a = "subnet-private-a" }
  }

  expect_failures = [var.private_subnet_ids]
}

run "a_name_too_long_for_a_balancer_is_refused" {
  command = plan

  variables {
    name = "connect-an-environment-with-a-name"
  }

  expect_failures = [var.name]
}
