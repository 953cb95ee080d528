mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name              = "connect-test"
  vpc_id            = "vpc-1"
  s3_prefix_list_id = "pl-s3"
  ports             = { gateway = 8080, messaging = 8081, messaging_admin = 9081, store = 6379 }
}

run "the_path_and_nothing_else" {
  assert {
    condition = toset(values(output.edges)) == toset([
      "alb -> gateway:8080",
      "gateway -> nlb:8081",
      "nlb -> messaging:8081",
      "nlb -> messaging:9081",
      "gateway -> store:6379",
      "messaging -> store:6379",
      "gateway -> endpoints:443",
      "messaging -> endpoints:443",
    ])
    error_message = "the set of permitted connections is not the path of a message"
  }

  # What the rules say, not what the table says.
  assert {
    condition = alltrue([
      for name, edge in local.edges : alltrue([
        aws_vpc_security_group_ingress_rule.edge[name].security_group_id == aws_security_group.this[edge.to].id,
        aws_vpc_security_group_ingress_rule.edge[name].referenced_security_group_id == aws_security_group.this[edge.from].id,
        aws_vpc_security_group_egress_rule.edge[name].security_group_id == aws_security_group.this[edge.from].id,
        aws_vpc_security_group_egress_rule.edge[name].referenced_security_group_id == aws_security_group.this[edge.to].id,
      ])
    ])
    error_message = "an edge's rules do not join the groups that it names"
  }
}

run "every_inner_rule_is_one_tcp_port_of_one_group" {
  assert {
    condition = alltrue([
      for rule in concat(values(aws_vpc_security_group_ingress_rule.edge), values(aws_vpc_security_group_egress_rule.edge)) :
      rule.ip_protocol == "tcp" && rule.from_port == rule.to_port && rule.referenced_security_group_id != null && rule.cidr_ipv4 == null && rule.cidr_ipv6 == null
    ])
    error_message = "an inner rule is wider than one TCP port of one group"
  }

  assert {
    condition     = alltrue([for group in aws_security_group.this : length(group.ingress) == 0 && length(group.egress) == 0])
    error_message = "a group has rules of its own beside the table"
  }
}

run "only_the_public_balancer_is_open_to_the_world_on_80_and_443" {
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.public : rule.security_group_id == aws_security_group.this["alb"].id])
    error_message = "a group other than the public balancer's is open to the world"
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.public : "${rule.from_port}-${rule.to_port}"]) == toset(["80-80", "443-443"])
    error_message = "the world may reach ports other than 80 and 443"
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.public : coalesce(rule.cidr_ipv4, rule.cidr_ipv6)]) == toset(["0.0.0.0/0", "::/0"])
    error_message = "clients come over IPv4 and IPv6"
  }
}

run "the_store_is_reached_by_the_two_services_only" {
  assert {
    condition = toset([
      for rule in aws_vpc_security_group_ingress_rule.edge : rule.referenced_security_group_id if rule.security_group_id == aws_security_group.this["store"].id
    ]) == toset([aws_security_group.this["gateway"].id, aws_security_group.this["messaging"].id])
    error_message = "something besides the two services may reach the store"
  }
}

run "no_task_may_reach_the_internet_by_default" {
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.oidc) == 0
    error_message = "the gateway may leave the VPC without being told to"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.image_layers : rule.prefix_list_id == "pl-s3" && rule.cidr_ipv4 == null && rule.from_port == 443])
    error_message = "image layers come from the S3 prefix list on port 443, and nowhere else"
  }
}

run "oidc_issuers_are_reached_by_the_gateway_on_443_only" {
  variables {
    gateway_https_egress_cidrs = ["203.0.113.0/24"]
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.oidc : rule.security_group_id == aws_security_group.this["gateway"].id && rule.from_port == 443 && rule.to_port == 443 && rule.cidr_ipv4 == "203.0.113.0/24"])
    error_message = "the way to OIDC issuers is wider than asked for"
  }
}

run "a_low_port_is_refused" {
  command = plan

  variables {
    ports = { gateway = 80, messaging = 8081, messaging_admin = 9081, store = 6379 }
  }

  expect_failures = [var.ports]
}

run "health_on_the_api_port_is_refused" {
  command = plan

  variables {
    ports = { gateway = 8080, messaging = 8081, messaging_admin = 8081, store = 6379 }
  }

  expect_failures = [var.ports]
}

run "an_egress_range_that_is_none_is_refused" {
  command = plan

  variables {
    gateway_https_egress_cidrs = ["login.example.com"]
  }

  expect_failures = [var.gateway_https_egress_cidrs]
}
