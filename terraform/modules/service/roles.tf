locals {
  assume_role = {
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:${local.region}:${local.account}:*" }
      }
    }]
  }

  # ARN:key:stage:version to ARN.
  secret_arns = distinct([for reference in values(var.secrets) : join(":", slice(split(":", reference), 0, 7))])
}

# What ECS does on behalf of a task before its code runs: fetch the image and the secrets, open the log stream.
resource "aws_iam_role" "execution" {
  name               = "${local.full_name}-execution"
  description        = "Starts ${local.full_name} tasks"
  assume_role_policy = jsonencode(local.assume_role)
}

resource "aws_iam_role_policy" "execution" {
  name = "start-tasks"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "RegistryLogin"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = "arn:aws:ecr:${local.image_parts.region}:${local.image_parts.account}:repository/${local.image_parts.repository}"
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      },
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = sort(local.secret_arns)
      },
      {
        Sid      = "SecretKeys"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = sort(var.secret_key_arns)
        Condition = {
          StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" }
        }
      },
    ]
  })
}

# What the code itself may call: nothing. Metrics leave through the log, and the store has a user of its own.
resource "aws_iam_role" "task" {
  name               = "${local.full_name}-task"
  description        = "Identity of ${local.full_name} tasks, without permissions"
  assume_role_policy = jsonencode(local.assume_role)
}
