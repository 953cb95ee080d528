data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_availability_zones" "available" {
  state = "available"
}

# What stands today, found by tag: the configuration alone cannot know which zones an earlier apply used.
data "aws_subnets" "standing" {
  tags = {
    Name = "${var.name}-private-*"
  }
}

data "aws_subnet" "standing" {
  for_each = toset(data.aws_subnets.standing.ids)

  id = each.value
}

locals {
  region = data.aws_region.current.name

  # Each slot is a /19: its first half for tasks, then a /22 for load balancers and NAT, and a /22 for the store.
  slot_cidrs = { for zone, slot in var.zones : zone => cidrsubnet(var.vpc_cidr, 3, slot) }

  private_cidrs = { for zone, cidr in local.slot_cidrs : zone => cidrsubnet(cidr, 1, 0) }
  public_cidrs  = { for zone, cidr in local.slot_cidrs : zone => cidrsubnet(cidr, 3, 4) }
  data_cidrs    = { for zone, cidr in local.slot_cidrs : zone => cidrsubnet(cidr, 3, 5) }

  # The zone whose slot is lowest holds the only NAT gateway when there is one.
  first_zone = one([for zone, slot in var.zones : zone if slot == min(values(var.zones)...)])
  nat_zones  = toset(var.nat == "per_zone" ? keys(var.zones) : [local.first_zone])
  nat_of     = { for zone in keys(var.zones) : zone => var.nat == "per_zone" ? zone : local.first_zone }

  standing_zones = toset([for subnet in data.aws_subnet.standing : subnet.availability_zone])
  removed_zones  = setsubtract(local.standing_zones, keys(var.zones))
}

resource "terraform_data" "zones" {
  input = var.zones

  lifecycle {
    precondition {
      condition     = length(setsubtract(keys(var.zones), data.aws_availability_zones.available.names)) == 0
      error_message = "zones: ${join(", ", setsubtract(keys(var.zones), data.aws_availability_zones.available.names))} is not an available zone of ${local.region}. Available: ${join(", ", data.aws_availability_zones.available.names)}."
    }

    precondition {
      condition     = var.allow_zone_removal || length(local.removed_zones) == 0
      error_message = "zones: this plan would remove ${join(", ", local.removed_zones)}, which replaces the internal load balancer and drops every gateway's connections to messaging. Put the zone back, or, in a maintenance window, apply allow_zone_removal = true first."
    }
  }
}

resource "aws_vpc" "this" {
  cidr_block                       = var.vpc_cidr
  assign_generated_ipv6_cidr_block = true
  enable_dns_support               = true
  enable_dns_hostnames             = true

  tags = { Name = var.name }

  # Nothing is built when the zones are refused.
  depends_on = [terraform_data.zones]
}

# The default group of a VPC lets its members talk to each other; without rules it lets nothing.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-unused" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = var.zones

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = local.public_cidrs[each.key]
  ipv6_cidr_block         = cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, each.value)
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-public-${each.key}" }

  # A removed zone's subnet goes last, after everything in it has moved out: AWS refuses to delete one that is in use.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_subnet" "private" {
  for_each = var.zones

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = local.private_cidrs[each.key]
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-private-${each.key}" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_subnet" "data" {
  for_each = var.zones

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = local.data_cidrs[each.key]
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-data-${each.key}" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_eip" "nat" {
  for_each = local.nat_zones

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each = local.nat_zones

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "public_ipv4" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route" "public_ipv6" {
  route_table_id              = aws_route_table.public.id
  destination_ipv6_cidr_block = "::/0"
  gateway_id                  = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = var.zones

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table" "private" {
  for_each = var.zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "private_nat" {
  for_each = var.zones

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[local.nat_of[each.key]].id
}

resource "aws_route_table_association" "private" {
  for_each = var.zones

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# No route but the VPC's own: the store can be reached from inside only, and reaches nothing.
resource "aws_route_table" "data" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-data" }
}

resource "aws_route_table_association" "data" {
  for_each = var.zones

  subnet_id      = aws_subnet.data[each.key].id
  route_table_id = aws_route_table.data.id
}
