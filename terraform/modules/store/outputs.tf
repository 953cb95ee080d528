output "url" {
  description = "URL of the cluster's configuration endpoint, over TLS and without credentials."
  value       = "rediss://${aws_memorydb_cluster.this.cluster_endpoint[0].address}:${aws_memorydb_cluster.this.cluster_endpoint[0].port}"
}

output "cluster_name" {
  description = "Name of the cluster, the dimension of its metrics."
  value       = aws_memorydb_cluster.this.name
}

output "user_name" {
  description = "User that the services sign in as."
  value       = aws_memorydb_user.app.user_name
}
