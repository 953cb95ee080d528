variable "name" {
  type        = string
  description = "Name of the cluster and prefix of its parts, such as connect-production."
}

variable "subnet_ids" {
  type        = map(string)
  description = "Zone to data subnet."

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids needs two zones or more, so that a replica stands outside the primary's zone."
  }
}

variable "security_group_id" {
  type        = string
  description = "Security group of the cluster."
}

variable "port" {
  type        = number
  description = "Port of the cluster."
}

variable "key_arn" {
  type        = string
  description = "KMS key that encrypts data and snapshots at rest."
}

variable "passwords" {
  type        = list(string)
  description = "Passwords of the application's user: one, or two while rotating."
  sensitive   = true

  validation {
    condition     = length(var.passwords) >= 1 && length(var.passwords) <= 2
    error_message = "passwords needs one value, or two while rotating: MemoryDB accepts no more."
  }
}

variable "size" {
  type = object({
    node_type               = string
    shards                  = number
    replicas_per_shard      = number
    snapshot_retention_days = number
  })
  description = "Node type, shards (write throughput and memory), replicas of each shard (failover) and days to keep the daily snapshot."

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.size.node_type))
    error_message = "size.node_type must be a MemoryDB node type, such as db.r7g.large."
  }

  validation {
    condition     = var.size.shards >= 1 && var.size.shards <= 500
    error_message = "size.shards must be from 1 to 500."
  }

  validation {
    condition     = var.size.replicas_per_shard >= 1 && var.size.replicas_per_shard <= 5
    error_message = "size.replicas_per_shard must be from 1 to 5: without a replica the failure of one node stops a shard until the node is rebuilt."
  }

  validation {
    condition     = var.size.shards * (1 + var.size.replicas_per_shard) <= 500
    error_message = "size: shards × (1 + replicas_per_shard) must be at most 500 nodes, the limit of a cluster."
  }

  validation {
    condition     = var.size.snapshot_retention_days >= 1 && var.size.snapshot_retention_days <= 35
    error_message = "size.snapshot_retention_days must be from 1 to 35: a cluster without snapshots cannot be restored after a mistake."
  }
}

variable "final_snapshot" {
  type        = bool
  description = "Take a last snapshot before the cluster is deleted."
}
