import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import { commonVariables, loadConfig } from '../../../shared/service/config.ts';

const schema = Type.Object(commonVariables);

function complaint(env: Record<string, string>): string {
  try {
    loadConfig(schema, env);
  } catch (error) {
    return (error as Error).message;
  }
  throw new assert.AssertionError({ message: 'the environment was accepted' });
}

test('a bad value is shown, with what it must be', () => {
  assert.equal(
    complaint({ DRAIN_SECONDS: 'soon' }),
    'DRAIN_SECONDS is "soon", but must be a whole number from 0 to 3600 (How long a shutdown takes to hand its work over, s)',
  );
});

test('a bad secret is named and not shown', () => {
  assert.match(
    complaint({ SERVICE_TOKEN_SECRET: 'hunter2' }),
    /^SERVICE_TOKEN_SECRET is too short: it must be at least 32 characters \([^)]+\)$/,
  );
  for (const name of ['REDIS_URL', 'REDIS_CLUSTER_URLS']) {
    const message = complaint({ [name]: 'http://:hunter2@127.0.0.1:6379' });
    assert.ok(message.startsWith(`${name} is not valid: it must be text matching ^rediss?:// (`), message);
    assert.ok(!message.includes('hunter2'), message);
  }
});
