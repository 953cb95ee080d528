output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "IPv4 range of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "Zone to public subnet: for the internet-facing load balancer and nothing else."
  value       = { for zone, subnet in aws_subnet.public : zone => subnet.id }
}

output "private_subnet_ids" {
  description = "Zone to private subnet: for tasks, the internal load balancer and endpoints."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }

  # Tasks that start before they can fetch their image, secrets or log stream fail and count against the circuit breaker.
  depends_on = [aws_route.private_nat, aws_route_table_association.private, aws_vpc_endpoint_route_table_association.s3, aws_vpc_endpoint.interface]
}

output "data_subnet_ids" {
  description = "Zone to data subnet: for the store."
  value       = { for zone, subnet in aws_subnet.data : zone => subnet.id }
}

output "s3_prefix_list_id" {
  description = "Prefix list of the S3 gateway endpoint, for the egress rule of image pulls."
  value       = aws_vpc_endpoint.s3.prefix_list_id
}

output "nat_zones" {
  description = "Zones that hold a NAT gateway."
  value       = local.nat_zones
}

output "flow_log_group" {
  description = "Log group of the VPC flow logs."
  value       = aws_cloudwatch_log_group.flow.name
}
