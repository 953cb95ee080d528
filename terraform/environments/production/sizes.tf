locals {
  environment = "production"

  # For 100,000 connections: 8 gateways at 0.7 of 20,000 each. README.md has the arithmetic, and two other sizes.
  sizes = {
    vpc_cidr = "10.41.0.0/16"
    nat      = "per_zone"

    gateway = {
      cpu                  = 1024
      memory               = 2048
      min_tasks            = 6
      max_tasks            = 24
      connections_per_task = 20000
    }

    messaging = {
      cpu       = 1024
      memory    = 2048
      min_tasks = 4
      max_tasks = 24
    }

    store = {
      node_type               = "db.r7g.large"
      shards                  = 2
      replicas_per_shard      = 1
      snapshot_retention_days = 7
    }

    # Carriers put thousands of phones behind one address, and all of them reconnect when a cell comes back.
    rate_limit              = 60000
    reserved_capacity_units = null
    deletion_protection     = true
    log_retention_days      = 90
  }
}
