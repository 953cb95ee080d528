# The whole path, in one table. An edge becomes two rules: egress from its source and ingress to its target, each naming the
# other's group. A connection that is not in the table does not exist.

locals {
  groups = {
    alb       = "Public load balancer"
    gateway   = "Gateway tasks"
    nlb       = "Internal load balancer"
    messaging = "Messaging tasks"
    store     = "MemoryDB"
    endpoints = "Interface endpoints"
  }

  edges = {
    alb-gateway         = { from = "alb", to = "gateway", port = var.ports.gateway, why = "Client traffic and readiness checks" }
    gateway-nlb         = { from = "gateway", to = "nlb", port = var.ports.messaging, why = "Internal HTTP/2 API" }
    nlb-messaging       = { from = "nlb", to = "messaging", port = var.ports.messaging, why = "Internal HTTP/2 API" }
    nlb-messaging-admin = { from = "nlb", to = "messaging", port = var.ports.messaging_admin, why = "Readiness checks" }
    gateway-store       = { from = "gateway", to = "store", port = var.ports.store, why = "Subscriptions and catch-up reads" }
    messaging-store     = { from = "messaging", to = "store", port = var.ports.store, why = "Log and state" }
    gateway-endpoints   = { from = "gateway", to = "endpoints", port = 443, why = "Image, secrets, logs" }
    messaging-endpoints = { from = "messaging", to = "endpoints", port = 443, why = "Image, secrets, logs" }
  }

  # HTTP only answers with a redirect; it is open so that a typed address works.
  public_ports  = { https = 443, http = 80 }
  public_ranges = { ipv4 = { v4 = "0.0.0.0/0", v6 = null }, ipv6 = { v4 = null, v6 = "::/0" } }

  public_ingress = merge([
    for protocol, port in local.public_ports : {
      for family, range in local.public_ranges : "${protocol}-${family}" => { port = port, v4 = range.v4, v6 = range.v6 }
    }
  ]...)
}

resource "aws_security_group" "this" {
  for_each = local.groups

  name_prefix            = "${var.name}-${each.key}-"
  description            = "${each.value} of ${var.name}"
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "edge" {
  for_each = local.edges

  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.value.why

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "edge" {
  for_each = local.edges

  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.value.why

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "public" {
  for_each = local.public_ingress

  security_group_id = aws_security_group.this["alb"].id
  cidr_ipv4         = each.value.v4
  cidr_ipv6         = each.value.v6
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  description       = "Clients"

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "image_layers" {
  for_each = toset(["gateway", "messaging"])

  security_group_id = aws_security_group.this[each.key].id
  prefix_list_id    = var.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "Image layers from S3"

  tags = { Name = "${var.name}-${each.key}-s3" }
}

resource "aws_vpc_security_group_egress_rule" "oidc" {
  for_each = var.gateway_https_egress_cidrs

  security_group_id = aws_security_group.this["gateway"].id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "OIDC issuers"

  tags = { Name = "${var.name}-gateway-oidc" }
}
