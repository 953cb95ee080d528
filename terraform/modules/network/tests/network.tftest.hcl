mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name                       = "connect-test"
  vpc_cidr                   = "10.40.0.0/16"
  zones                      = { eu-central-1a = 0, eu-central-1b = 1, eu-central-1c = 2 }
  nat                        = "per_zone"
  endpoint_security_group_id = "sg-endpoints"
  log_retention_days         = 30
  log_key_arn                = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "three_zones_with_three_kinds_of_subnet_each" {
  assert {
    condition     = alltrue([for kind in [aws_subnet.public, aws_subnet.private, aws_subnet.data] : toset(keys(kind)) == toset(keys(var.zones))])
    error_message = "each zone needs a public, a private and a data subnet, keyed by the zone's name"
  }

  assert {
    condition = alltrue(flatten([
      for kind in [aws_subnet.public, aws_subnet.private, aws_subnet.data] : [for zone, subnet in kind : subnet.availability_zone == zone]
    ]))
    error_message = "a subnet is in another zone than its key says"
  }

  assert {
    condition = alltrue(flatten([
      for kind in [aws_subnet.public, aws_subnet.private, aws_subnet.data] : [for subnet in kind : !subnet.map_public_ip_on_launch]
    ]))
    error_message = "a subnet hands out public addresses"
  }
}

run "address_ranges_are_disjoint_and_inside_the_vpc" {
  # Two ranges overlap when the wider one, at its prefix, has the same first address as the narrower one cut to that prefix.
  assert {
    condition = alltrue([
      for pair in setproduct(
        concat(values(local.private_cidrs), values(local.public_cidrs), values(local.data_cidrs)),
        concat(values(local.private_cidrs), values(local.public_cidrs), values(local.data_cidrs)),
      ) :
      pair[0] == pair[1] ||
      tonumber(split("/", pair[0])[1]) > tonumber(split("/", pair[1])[1]) ||
      cidrhost(pair[0], 0) != cidrhost("${cidrhost(pair[1], 0)}/${split("/", pair[0])[1]}", 0)
    ])
    error_message = "two subnets overlap"
  }

  assert {
    condition     = length(distinct(concat(values(local.private_cidrs), values(local.public_cidrs), values(local.data_cidrs)))) == 9
    error_message = "three zones make nine ranges"
  }

  assert {
    condition = alltrue([
      for cidr in concat(values(local.private_cidrs), values(local.public_cidrs), values(local.data_cidrs)) :
      cidrhost("${cidrhost(cidr, 0)}/16", 0) == "10.40.0.0"
    ])
    error_message = "a subnet lies outside the VPC"
  }
}

run "a_fourth_zone_moves_no_other" {
  variables {
    zones = { eu-central-1a = 0, eu-central-1b = 1, eu-central-1c = 2, eu-central-1d = 3 }
  }

  assert {
    condition     = aws_subnet.private["eu-central-1a"].cidr_block == "10.40.0.0/20" && aws_subnet.private["eu-central-1c"].cidr_block == "10.40.64.0/20" && aws_subnet.private["eu-central-1d"].cidr_block == "10.40.96.0/20"
    error_message = "a zone's range depends on which other zones there are"
  }
}

run "private_subnets_leave_through_the_nat_of_their_zone" {
  assert {
    condition     = alltrue([for zone in keys(var.zones) : aws_route.private_nat[zone].nat_gateway_id == aws_nat_gateway.this[zone].id && aws_nat_gateway.this[zone].subnet_id == aws_subnet.public[zone].id])
    error_message = "a zone leaves through another zone's NAT gateway, so the loss of that one takes both down"
  }

  assert {
    condition     = alltrue([for zone in keys(var.zones) : aws_route_table_association.private[zone].subnet_id == aws_subnet.private[zone].id && aws_route_table_association.private[zone].route_table_id == aws_route_table.private[zone].id])
    error_message = "a private subnet uses another zone's route table"
  }
}

run "only_the_public_table_reaches_the_internet_and_data_reaches_nothing" {
  assert {
    condition     = aws_route.public_ipv4.route_table_id == aws_route_table.public.id && aws_route.public_ipv6.route_table_id == aws_route_table.public.id
    error_message = "the internet gateway is routed from a table that is not the public one"
  }

  assert {
    condition = alltrue(flatten([
      [for association in aws_route_table_association.data : association.route_table_id == aws_route_table.data.id],
      [for route in aws_route.private_nat : route.route_table_id != aws_route_table.data.id],
      length(aws_route_table.data.route) == 0,
    ]))
    error_message = "the data subnets have a route beyond the VPC"
  }
}

run "a_single_nat_serves_all_zones_when_asked" {
  variables {
    nat = "single"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && toset([for route in aws_route.private_nat : route.nat_gateway_id]) == toset([for gateway in aws_nat_gateway.this : gateway.id])
    error_message = "single must make one NAT gateway, with every private table pointing at it"
  }
}

run "aws_services_are_reached_inside_the_vpc" {
  assert {
    condition     = toset([for endpoint in aws_vpc_endpoint.interface : endpoint.service_name]) == toset(["com.amazonaws.eu-central-1.ecr.api", "com.amazonaws.eu-central-1.ecr.dkr", "com.amazonaws.eu-central-1.logs", "com.amazonaws.eu-central-1.secretsmanager"])
    error_message = "tasks pull images, read secrets and write logs through endpoints"
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled && toset(endpoint.security_group_ids) == toset(["sg-endpoints"]) && length(endpoint.subnet_ids) == 3])
    error_message = "an endpoint is not in every zone, has no private name, or another security group"
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && alltrue([for zone in keys(var.zones) : aws_vpc_endpoint_route_table_association.s3[zone].route_table_id == aws_route_table.private[zone].id && aws_vpc_endpoint_route_table_association.s3[zone].vpc_endpoint_id == aws_vpc_endpoint.s3.id])
    error_message = "every private table needs the S3 gateway endpoint"
  }

  assert {
    condition     = jsondecode(aws_vpc_endpoint.s3.policy).Statement[0].Resource == "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*" && jsondecode(aws_vpc_endpoint.s3.policy).Statement[0].Action == "s3:GetObject"
    error_message = "the S3 endpoint is open to more than image layers"
  }
}

run "flow_logs_are_kept_and_encrypted" {
  assert {
    condition     = aws_flow_log.vpc.traffic_type == "ALL" && aws_flow_log.vpc.log_destination == aws_cloudwatch_log_group.flow.arn
    error_message = "flow logs must record all traffic in the log group"
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow.retention_in_days == 30 && aws_cloudwatch_log_group.flow.kms_key_id == var.log_key_arn
    error_message = "the flow log group needs retention and a key"
  }
}

run "the_default_security_group_lets_nothing_through" {
  assert {
    condition     = length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "the default group has rules"
  }
}

run "one_zone_is_refused" {
  command = plan

  variables {
    zones = { eu-central-1a = 0 }
  }

  expect_failures = [var.zones]
}

run "zones_that_share_a_slot_are_refused" {
  command = plan

  variables {
    zones = { eu-central-1a = 0, eu-central-1b = 0 }
  }

  expect_failures = [var.zones]
}

run "a_slot_outside_the_vpc_is_refused" {
  command = plan

  variables {
    zones = { eu-central-1a = 0, eu-central-1b = 8 }
  }

  expect_failures = [var.zones]
}

run "a_zone_of_another_region_is_refused" {
  command = plan

  variables {
    zones = { eu-central-1a = 0, us-east-1b = 1 }
  }

  expect_failures = [terraform_data.zones]
}

run "removing_a_zone_that_stands_is_refused" {
  command = plan

  variables {
    zones = { eu-central-1a = 0, eu-central-1b = 1 }
  }

  override_data {
    target = data.aws_subnets.standing
    values = { ids = ["subnet-a", "subnet-c"] }
  }

  override_data {
    target = data.aws_subnet.standing
    values = { availability_zone = "eu-central-1c" }
  }

  expect_failures = [terraform_data.zones]
}

run "removing_a_zone_that_stands_is_allowed_when_asked_for" {
  command = plan

  variables {
    zones              = { eu-central-1a = 0, eu-central-1b = 1 }
    allow_zone_removal = true
  }

  override_data {
    target = data.aws_subnets.standing
    values = { ids = ["subnet-a", "subnet-c"] }
  }

  override_data {
    target = data.aws_subnet.standing
    values = { availability_zone = "eu-central-1c" }
  }

  assert {
    condition     = local.removed_zones == toset(["eu-central-1c"])
    error_message = "the plan does not see which zone goes"
  }
}

run "a_public_or_small_range_is_refused" {
  command = plan

  variables {
    vpc_cidr = "8.8.0.0/20"
  }

  expect_failures = [var.vpc_cidr]
}

run "an_unknown_nat_is_refused" {
  command = plan

  variables {
    nat = "none"
  }

  expect_failures = [var.nat]
}
