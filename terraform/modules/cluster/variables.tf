variable "name" {
  type        = string
  description = "Name of the cluster, such as connect-production."
}
