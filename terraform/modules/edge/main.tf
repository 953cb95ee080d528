data "aws_route53_zone" "public" {
  name         = "${var.domain}."
  private_zone = false
}

locals {
  hostname = "connect.${var.domain}"
}

resource "aws_acm_certificate" "this" {
  domain_name       = local.hostname
  validation_method = "DNS"
  key_algorithm     = "EC_prime256v1"

  tags = { Name = local.hostname }

  lifecycle {
    create_before_destroy = true
  }
}

# Keyed by a name known before the certificate exists.
resource "aws_route53_record" "validation" {
  for_each = toset([local.hostname])

  zone_id         = data.aws_route53_zone.public.zone_id
  name            = one([for option in aws_acm_certificate.this.domain_validation_options : option.resource_record_name if option.domain_name == each.key])
  type            = one([for option in aws_acm_certificate.this.domain_validation_options : option.resource_record_type if option.domain_name == each.key])
  records         = [one([for option in aws_acm_certificate.this.domain_validation_options : option.resource_record_value if option.domain_name == each.key])]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_lb" "public" {
  name               = "${var.name}-edge"
  load_balancer_type = "application"
  internal           = false
  ip_address_type    = "dualstack"
  subnets            = values(var.public_subnet_ids)
  security_groups    = [var.security_group_id]

  idle_timeout               = var.idle_timeout_seconds
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    bucket  = aws_s3_bucket.logs.id
    prefix  = "access"
    enabled = true
  }

  connection_logs {
    bucket  = aws_s3_bucket.logs.id
    prefix  = "connection"
    enabled = true
  }

  dynamic "minimum_load_balancer_capacity" {
    for_each = var.reserved_capacity_units == null ? [] : [var.reserved_capacity_units]

    content {
      capacity_units = minimum_load_balancer_capacity.value
    }
  }

  # The load balancer tries to write to the bucket when logging is switched on.
  depends_on = [aws_s3_bucket_policy.logs, aws_s3_bucket_ownership_controls.logs]
}

resource "aws_lb_target_group" "gateway" {
  name_prefix = "gw-"
  vpc_id      = var.vpc_id
  target_type = "ip"
  port        = var.gateway_port
  protocol    = "HTTP"

  # A WebSocket upgrade is an HTTP/1.1 request.
  protocol_version = "HTTP1"

  # A task with many sockets has many open requests, so this counts connections. It excludes slow start.
  load_balancing_algorithm_type = "least_outstanding_requests"
  slow_start                    = 0
  deregistration_delay          = var.deregistration_delay_seconds

  stickiness {
    type            = "lb_cookie"
    enabled         = true
    cookie_duration = var.stickiness_seconds
  }

  # ECS replaces tasks that fail this check. /readyz answers 200 as long as reads can be served, also while the store is full
  # and takes no writes. It fails while the whole store or messaging is away, and replacing every gateway for that would
  # drop every client: a failover must fit into these 100 s. A dead process is found by the container's own check in 45 s.
  health_check {
    protocol            = "HTTP"
    port                = "traffic-port"
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 10
  }

  tags = { Name = "${var.name}-gateway" }

  # A listener holds the old one until the new one stands.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.public.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
  certificate_arn   = aws_acm_certificate_validation.this.certificate_arn

  routing_http_response_server_enabled = false

  # Scanners that dial the address get this; only the right host name reaches a task.
  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "Not found"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "gateway" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10

  condition {
    host_header {
      values = [local.hostname]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.gateway.arn
  }

  tags = { Name = "${var.name}-gateway" }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.public.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_route53_record" "public" {
  for_each = toset(["A", "AAAA"])

  zone_id = data.aws_route53_zone.public.zone_id
  name    = local.hostname
  type    = each.key

  alias {
    name                   = aws_lb.public.dns_name
    zone_id                = aws_lb.public.zone_id
    evaluate_target_health = true
  }
}
