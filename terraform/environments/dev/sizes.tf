locals {
  environment = "dev"

  sizes = {
    vpc_cidr = "10.40.0.0/16"
    nat      = "single"

    gateway = {
      cpu                  = 512
      memory               = 1024
      min_tasks            = 2
      max_tasks            = 4
      connections_per_task = 5000
    }

    messaging = {
      cpu       = 256
      memory    = 512
      min_tasks = 2
      max_tasks = 4
    }

    store = {
      node_type               = "db.t4g.small"
      shards                  = 1
      replicas_per_shard      = 1
      snapshot_retention_days = 1
    }

    rate_limit              = 10000
    reserved_capacity_units = null
    deletion_protection     = false
    log_retention_days      = 7
  }
}
