mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name              = "connect-test"
  subnet_ids        = { eu-central-1a = "subnet-data-a", eu-central-1b = "subnet-data-b" }
  security_group_id = "sg-store"
  port              = 6379
  key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/data"
  passwords         = ["abcdefghijklmnopqrstuvwxyz0123456789"]
  size              = { node_type = "db.r7g.large", shards = 2, replicas_per_shard = 1, snapshot_retention_days = 7 }
  final_snapshot    = true
}

run "the_store_is_encrypted_in_transit_and_at_rest" {
  assert {
    condition     = aws_memorydb_cluster.this.tls_enabled && aws_memorydb_cluster.this.kms_key_arn == var.key_arn && startswith(output.url, "rediss://")
    error_message = "the store is reached in the clear, or holds data without our key"
  }
}

run "the_store_is_valkey_with_replicas_and_snapshots" {
  assert {
    condition     = aws_memorydb_cluster.this.engine == "valkey" && aws_memorydb_cluster.this.num_shards == 2 && aws_memorydb_cluster.this.num_replicas_per_shard == 1
    error_message = "the cluster has another engine or shape than asked for"
  }

  assert {
    condition     = aws_memorydb_cluster.this.snapshot_retention_limit == 7 && aws_memorydb_cluster.this.final_snapshot_name == "connect-test-final"
    error_message = "snapshots are not kept"
  }
}

run "a_full_store_refuses_writes_and_forgets_nothing" {
  assert {
    condition     = contains(aws_memorydb_parameter_group.this.parameter, { name = "maxmemory-policy", value = "noeviction" })
    error_message = "a full store would drop logs"
  }

  assert {
    condition     = aws_memorydb_cluster.this.parameter_group_name == aws_memorydb_parameter_group.this.name && aws_memorydb_parameter_group.this.family == "memorydb_valkey7"
    error_message = "the cluster does not use these parameters"
  }
}

run "only_the_application_user_gets_in_and_it_cannot_administer" {
  assert {
    condition     = aws_memorydb_cluster.this.acl_name == aws_memorydb_acl.this.name && aws_memorydb_acl.this.user_names == toset(["connect-test-app"])
    error_message = "the cluster admits another user"
  }

  assert {
    condition     = aws_memorydb_user.app.authentication_mode[0].type == "password" && strcontains(aws_memorydb_user.app.access_string, "-@admin") && strcontains(aws_memorydb_user.app.access_string, "-@dangerous")
    error_message = "the application's user may administer the store"
  }
}

run "the_store_lives_in_the_data_subnets_behind_its_group" {
  assert {
    condition     = aws_memorydb_subnet_group.this.subnet_ids == toset(values(var.subnet_ids)) && aws_memorydb_cluster.this.subnet_group_name == aws_memorydb_subnet_group.this.name && aws_memorydb_cluster.this.security_group_ids == toset(["sg-store"])
    error_message = "the store is elsewhere than in its subnets and group"
  }
}

run "two_passwords_are_accepted_while_rotating" {
  variables {
    passwords = ["abcdefghijklmnopqrstuvwxyz0123456789", "zyxwvutsrqponmlkjihgfedcba9876543210"]
  }

  assert {
    condition     = length(aws_memorydb_user.app.authentication_mode[0].passwords) == 2
    error_message = "the new password does not work until the old one is gone"
  }
}

run "three_passwords_are_refused" {
  command = plan

  variables {
    passwords = ["a", "b", "c"]
  }

  expect_failures = [var.passwords]
}

run "no_replica_is_refused" {
  command = plan

  variables {
    size = { node_type = "db.r7g.large", shards = 2, replicas_per_shard = 0, snapshot_retention_days = 7 }
  }

  expect_failures = [var.size]
}

run "no_snapshots_are_refused" {
  command = plan

  variables {
    size = { node_type = "db.r7g.large", shards = 2, replicas_per_shard = 1, snapshot_retention_days = 0 }
  }

  expect_failures = [var.size]
}

run "more_nodes_than_a_cluster_has_are_refused" {
  command = plan

  variables {
    size = { node_type = "db.r7g.large", shards = 300, replicas_per_shard = 1, snapshot_retention_days = 7 }
  }

  expect_failures = [var.size]
}

run "a_node_type_of_another_service_is_refused" {
  command = plan

  variables {
    size = { node_type = "cache.r7g.large", shards = 1, replicas_per_shard = 1, snapshot_retention_days = 7 }
  }

  expect_failures = [var.size]
}

run "no_shards_are_refused" {
  command = plan

  variables {
    size = { node_type = "db.r7g.large", shards = 0, replicas_per_shard = 1, snapshot_retention_days = 7 }
  }

  expect_failures = [var.size]
}

run "a_single_zone_is_refused" {
  command = plan

  variables {
    subnet_ids = { eu-central-1a = "subnet-data-a" }
  }

  expect_failures = [var.subnet_ids]
}
