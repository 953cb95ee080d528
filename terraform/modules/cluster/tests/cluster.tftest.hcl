mock_provider "aws" {
  source = "../../../test/terraform/mocks"
}

variables {
  name = "connect-test"
}

run "the_cluster_runs_on_fargate_and_counts_its_tasks" {
  assert {
    condition     = aws_ecs_cluster_capacity_providers.this.capacity_providers == toset(["FARGATE"]) && aws_ecs_cluster_capacity_providers.this.cluster_name == "connect-test"
    error_message = "the cluster has other capacity than Fargate"
  }

  assert {
    condition     = contains(aws_ecs_cluster.this.setting, { name = "containerInsights", value = "enabled" })
    error_message = "the capacity alarms read task counts from Container Insights"
  }
}
