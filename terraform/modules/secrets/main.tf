# One secret a generation. A rotation adds a label, waits for the roll-out, and drops the old label: no value changes under a
# running task, and both are accepted in between.

data "aws_secretsmanager_random_password" "this" {
  for_each = toset(var.generations)

  password_length     = var.length
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  for_each = toset(var.generations)

  name                    = "${var.name}/${var.purpose}/${each.key}"
  description             = "${var.purpose} of ${var.name}, generation ${each.key}"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = aws_secretsmanager_secret.this

  secret_id     = each.value.id
  secret_string = data.aws_secretsmanager_random_password.this[each.key].random_password

  # The data source draws a fresh value at every plan; the first one drawn is the one that counts.
  lifecycle {
    ignore_changes = [secret_string]
  }
}
