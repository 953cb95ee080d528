import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const WALL_TIME = /\bDate\.now\b|\bnew Date\(\)|[cC]lock\.now\(/;

/**
 * Who needs wall time, and why. Everything else is a duration, a deadline or an age within one process, and is measured with the monotonic
 * clock: a wall clock steps.
 */
const NEEDS_WALL_TIME: Record<string, string> = {
  'shared/service/clock.ts': 'is the clock',
  'client/platform.ts': 'is the clock of the SDK',

  // Stamps that users and operators see.
  'gateway/auth/partner-keys.ts': 'when a key was made and revoked',
  'gateway/messaging-client/reachability.ts': 'writes both times into the log when messaging refuses a token',
  'gateway/realtime/frames/ping.ts': 'serverTime, told to the client',
  'gateway/realtime/presence/presence-announcer.ts': 'lastSeenAt, told to users',
  'engine/sqlite/presence.ts': 'when a gateway ended, told to users as lastSeenAt',
  'messaging/command-runner.ts': 'when an event happened',
  'shared/service/metrics-emf.ts': 'the timestamp of a line for CloudWatch',

  // Times in tokens, which other machines made or check.
  'gateway/auth/access-tokens.ts': 'iat and exp',
  'gateway/auth/oidc-issuer.ts': 'exp of an id token; also notices that the clock was set, for jose ages its keys with it',
  'gateway/realtime/transport/connection.ts': 'exp of an access token, turned into a duration once',
  'messaging/plugins/service-auth.ts': 'nbf and exp of a service token',
  'shared/service/service-token.ts': 'iat, nbf and exp',
  'client/link.ts': 'exp of an access token, as a hint that saves a refused connection',

  // Times in the store, which survive a restart and are compared by other processes. Each has a margin for clocks that differ.
  'gateway/auth/sessions.ts': 'when a session was used and expires: weeks',
  'gateway/auth/signing-keys.ts': 'when a key was made: it signs when every gateway has read it',
  'gateway/realtime/delivery/reconciler.ts': 'whether a session has expired',
  'gateway/realtime/delivery/user-inbox.ts': 'whether a session has expired',
  'gateway/realtime/hub.ts': 'serverTime, told to the client',
  'gateway/realtime/frames/sync.ts': 'serverTime, which comes back as `since`, with a margin of twice the skew',
  'gateway/realtime/delivery/topic-registry.ts': 'until when a conversation is active, with a margin',
  'messaging/routes/delivery.ts': 'which conversations are active, with a margin at the gateways',
  'engine/sqlite/store.ts': 'when a session was revoked',
  'engine/redis/conversation-log.ts': 'when an entry of an index was made: young ones are left alone',
  'engine/redis/conversation-store.ts': 'when an entry of an index was made: young ones are left alone',
  'engine/redis/session-store.ts': 'when an entry of an index was made: young ones are left alone',
  'client/chat-client.ts': 'when a message was handed over; it may be sent after a restart',
  'client/outbox.ts': 'how old a message is: the server remembers its key for 24 hours, the client trusts that for 20',
};

test('nothing reads the wall clock but what is listed with its reason', () => {
  const files = globSync('{gateway,messaging,engine,shared,client}/**/*.ts', { cwd: ROOT }).map((file) => file.replaceAll('\\', '/'));
  const reading = files.filter((file) => WALL_TIME.test(readFileSync(join(ROOT, file), 'utf8')));
  assert.ok(reading.length > 0);
  const unlisted = reading.filter((file) => !Object.hasOwn(NEEDS_WALL_TIME, file));
  assert.deepEqual(unlisted, [], 'measure durations with clock.monotonic(), or say here why it must be wall time');
  const listedInVain = Object.keys(NEEDS_WALL_TIME).filter((file) => !reading.includes(file));
  assert.deepEqual(listedInVain, [], 'these read no wall time: take them off the list');
});
