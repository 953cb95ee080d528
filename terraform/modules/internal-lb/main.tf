locals {
  zone_name = "${var.name}.internal"
  hostname  = "messaging.${local.zone_name}"
}

resource "aws_lb" "internal" {
  name               = "${var.name}-inner"
  load_balancer_type = "network"
  internal           = true
  ip_address_type    = "ipv4"
  subnets            = values(var.private_subnet_ids)
  security_groups    = [var.security_group_id]

  # Few long connections arrive here: without this, a zone with few gateways leaves its messaging tasks idle.
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection
}

resource "aws_lb_target_group" "messaging" {
  name_prefix = "msg-"
  vpc_id      = var.vpc_id
  target_type = "ip"
  port        = var.port
  protocol    = "TCP"

  # Callers show a signed token, so their address is of no use, and without it a task may call through its own balancer.
  preserve_client_ip = false

  # A leaving task sends GOAWAY, finishes its calls and closes. What is still open when the delay ends is stuck, and a reset
  # tells the gateway so at once.
  deregistration_delay   = var.deregistration_delay_seconds
  connection_termination = true

  # A task that drains answers /readyz with 503. Cutting the connections of unhealthy targets, the default, would
  # cut the very calls that it is finishing.
  target_health_state {
    enable_unhealthy_connection_termination = false
    unhealthy_draining_interval             = var.deregistration_delay_seconds
  }

  # ECS replaces tasks that fail this check, which helps nobody while the store is away: a failover must fit into 60 s. A store
  # that is full fails it not: reads are still served.
  health_check {
    protocol            = "HTTP"
    port                = tostring(var.admin_port)
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 6
  }

  tags = { Name = "${var.name}-messaging" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "messaging" {
  load_balancer_arn        = aws_lb.internal.arn
  port                     = var.port
  protocol                 = "TCP"
  tcp_idle_timeout_seconds = var.idle_timeout_seconds

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.messaging.arn
  }
}

resource "aws_route53_zone" "internal" {
  name    = local.zone_name
  comment = "Private names of ${var.name}"

  vpc {
    vpc_id = var.vpc_id
  }
}

resource "aws_route53_record" "messaging" {
  zone_id = aws_route53_zone.internal.zone_id
  name    = local.hostname
  type    = "A"

  alias {
    name                   = aws_lb.internal.dns_name
    zone_id                = aws_lb.internal.zone_id
    evaluate_target_health = true
  }
}
