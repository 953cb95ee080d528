# MemoryDB acknowledges a write once its log holds it in several zones, which is what makes "an ack means stored" true
# without WAIT. Cluster mode, TLS and access control are not options here.

locals {
  user = "${var.name}-app"

  parameters = {
    # A full store must refuse writes, which the sender sees, and never drop a log quietly.
    maxmemory-policy = "noeviction"

    # Logs grow at one end and expire at the other; without defragmentation the free space stays in holes.
    activedefrag = "yes"

    # A gateway that reads its subscriptions too slowly is cut at 64 MiB, or at 32 MiB for 60 s. It then repairs the gap
    # from the log, so a wide buffer is for short bursts and the limit protects the shard.
    client-output-buffer-limit-pubsub-hard-limit   = "67108864"
    client-output-buffer-limit-pubsub-soft-limit   = "33554432"
    client-output-buffer-limit-pubsub-soft-seconds = "60"

    # Find a dead peer within a minute or so, and never close a quiet subscription.
    tcp-keepalive = "60"
    timeout       = "0"

    # Chat events are a few hundred bytes: smaller stream nodes make reading a range and trimming cheaper.
    stream-node-max-bytes   = "4096"
    stream-node-max-entries = "100"
  }
}

resource "aws_memorydb_subnet_group" "this" {
  name        = var.name
  description = "Data subnets of ${var.name}"
  subnet_ids  = values(var.subnet_ids)
}

resource "aws_memorydb_parameter_group" "this" {
  name        = "${var.name}-valkey7"
  family      = "memorydb_valkey7"
  description = "Settings of ${var.name}"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name  = parameter.key
      value = parameter.value
    }
  }
}

resource "aws_memorydb_user" "app" {
  user_name = local.user

  # All keys and channels, every data command, and no administration: no CONFIG, FLUSHALL, KEYS, ACL or SHUTDOWN.
  # INFO is given back because clients ask it whether a node is ready.
  access_string = "on ~* &* +@all -@admin -@dangerous +info"

  authentication_mode {
    type      = "password"
    passwords = var.passwords
  }
}

resource "aws_memorydb_acl" "this" {
  name       = var.name
  user_names = [aws_memorydb_user.app.user_name]
}

resource "aws_memorydb_cluster" "this" {
  name        = var.name
  description = "Log and state of ${var.name}"

  engine         = "valkey"
  engine_version = "7.2"
  node_type      = var.size.node_type

  num_shards             = var.size.shards
  num_replicas_per_shard = var.size.replicas_per_shard

  acl_name             = aws_memorydb_acl.this.name
  parameter_group_name = aws_memorydb_parameter_group.this.name
  tls_enabled          = true
  kms_key_arn          = var.key_arn

  port               = var.port
  subnet_group_name  = aws_memorydb_subnet_group.this.name
  security_group_ids = [var.security_group_id]

  snapshot_retention_limit = var.size.snapshot_retention_days
  snapshot_window          = "03:00-04:00"
  maintenance_window       = "sun:04:30-sun:05:30"
  final_snapshot_name      = var.final_snapshot ? "${var.name}-final" : null

  auto_minor_version_upgrade = true
}
