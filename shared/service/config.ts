import type { Static, TObject, TSchema } from 'typebox';
import Type from 'typebox';
import { Value } from 'typebox/value';

/** A mistake in the environment: one line that names the variable. The process prints it and exits. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** The options of one variable: its default, and what `.env.example` says of it. */
interface VariableOptions {
  description: string;
}

/** A whole number with bounds; `description` names the unit. */
export function integer(options: VariableOptions & { default: number; minimum: number; maximum: number }) {
  return Type.Integer({ ...options });
}
export function text(options: VariableOptions & { default: string; pattern?: string }) {
  return Type.String({ ...options });
}
/** A variable without a default: absent unless set. */
export function optionalText(options: VariableOptions & { minLength?: number; pattern?: string }) {
  return Type.Optional(Type.String({ ...options }));
}
export function boolean(options: VariableOptions & { default: boolean }) {
  return Type.Boolean({ ...options });
}
export function choice<const T extends readonly string[]>(values: T, options: VariableOptions & { default: T[number] }) {
  return Type.Unsafe<T[number]>(Type.String({ ...options, enum: [...values] }));
}

/**
 * Reads a service's variables out of an environment. An empty value counts as unset. Throws `ConfigError` naming the first bad
 * variable and what it must be; the value itself is shown only when the variable is no secret.
 */
export function loadConfig<S extends TObject>(schema: S, env: Record<string, string | undefined>): Static<S> {
  const config: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties as Record<string, TSchema & Record<string, unknown>>)) {
    const raw = env[name]?.trim();
    const value = raw === undefined || raw === '' ? property['default'] : convert(property, raw);
    if (value === undefined) continue;
    if (!Value.Check(property, value)) throw new ConfigError(complaint(name, property, raw ?? ''));
    config[name] = value;
  }
  return config as Static<S>;
}

function convert(property: Record<string, unknown>, raw: string): unknown {
  if (property['type'] === 'integer') return /^-?\d+$/.test(raw) ? Number(raw) : raw;
  if (property['type'] === 'boolean') return raw === 'true' || raw === '1' ? true : raw === 'false' || raw === '0' ? false : raw;
  return raw;
}

/** Addresses may carry a password. */
const SECRET = /SECRET|PASSWORD|KEYS|REDIS.*URL/;

function complaint(name: string, property: Record<string, unknown>, raw: string): string {
  let wanted = `a ${property['type']}`;
  if (Array.isArray(property['enum'])) wanted = `one of ${property['enum'].join(', ')}`;
  else if (property['type'] === 'integer') wanted = `a whole number from ${property['minimum']} to ${property['maximum']}`;
  else if (property['type'] === 'boolean') wanted = 'true or false';
  else if (property['pattern']) wanted = `text matching ${property['pattern']}`;
  else if (property['minLength']) wanted = `at least ${property['minLength']} characters`;
  // The value of a secret is not repeated: boot errors end up in logs.
  const wrong = !SECRET.test(name)
    ? `is ${JSON.stringify(raw)}, but`
    : raw.length < Number(property['minLength'] ?? 0)
      ? 'is too short: it'
      : 'is not valid: it';
  return `${name} ${wrong} must be ${wanted} (${property['description']})`;
}

/** A comma-separated list; blanks around items and empty items are dropped. */
export function splitList(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Variables both services have. */
export const commonVariables = {
  HOST: text({ default: '127.0.0.1', description: 'Address to listen on' }),
  LOG_LEVEL: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    default: 'info',
    description: 'Least severe level that is logged',
  }),
  DRAIN_SECONDS: integer({ default: 20, minimum: 0, maximum: 3600, description: 'How long a shutdown takes to hand its work over, s' }),
  SERVICE_TOKEN_SECRET: optionalText({
    minLength: 32,
    description: 'Signs calls from gateway to messaging; the same in both, at least 32 characters',
  }),
  SERVICE_TOKEN_SECRET_PREVIOUS: optionalText({ minLength: 32, description: 'Still accepted while SERVICE_TOKEN_SECRET is being rotated' }),
  METRICS_EMF_NAMESPACE: optionalText({
    description: 'CloudWatch namespace; when set, a metrics line in embedded metric format is logged every 60 s',
  }),
  REDIS_URL: optionalText({ pattern: '^rediss?://', description: 'A standalone Redis or Valkey 7+, redis:// or rediss://' }),
  REDIS_CLUSTER_URLS: optionalText({
    pattern: '^rediss?://',
    description: 'Some nodes of a Redis Cluster, comma-separated; used instead of REDIS_URL',
  }),
  REDIS_USERNAME: optionalText({ description: 'ACL user, when it is not in the URL' }),
  REDIS_PASSWORD: optionalText({ description: 'Its password, when it is not in the URL' }),
  REDIS_TLS_CA_FILE: optionalText({ description: 'PEM file of the authority that signed the server certificate' }),
  REDIS_MIN_REPLICA_ACKS: integer({
    default: 0,
    minimum: 0,
    maximum: 10,
    description: 'Replicas that must confirm a write before its ack',
  }),
  REDIS_REPLICA_TIMEOUT_MS: integer({
    default: 1000,
    minimum: 10,
    maximum: 30_000,
    description: 'How long to wait for those replicas, ms',
  }),
  REDIS_KEY_PREFIX: text({
    default: '',
    pattern: '^[A-Za-z0-9:_-]{0,32}$',
    description: 'Put in front of every key and channel, to share a server',
  }),
} as const;

/** Whether an environment asks for the distributed engine. */
export function usesRedis(config: { REDIS_URL?: string | undefined; REDIS_CLUSTER_URLS?: string | undefined }): boolean {
  return config.REDIS_URL !== undefined || config.REDIS_CLUSTER_URLS !== undefined;
}
