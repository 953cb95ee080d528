import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Caller } from '../../engine/redis/caller.ts';
import { Keys } from '../../engine/redis/keys.ts';
import type { Call } from '../../engine/redis/pipelined-connection.ts';
import { RedisSessionStore } from '../../engine/redis/session-store.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const library = { name: 'lib', code: '', fn: (name: string) => name };

/** A caller that only says what it was asked to call. */
class Recorder extends Caller {
  readonly calls: Call[] = [];

  constructor() {
    super({ shards: undefined as never, library, log: undefined, deadlineMs: 1000 });
  }

  override async one(call: Call): Promise<unknown> {
    this.calls.push(call);
    return undefined;
  }
}

test('a session is not made again when nobody knows whether it was: it may have been revoked since', async () => {
  const caller = new Recorder();
  const sessions = new RedisSessionStore(caller, new Keys(''), new ManualClock());
  const session = { id: 's', userId: 'ana', deviceId: 'd', createdBy: 'k', createdAt: 1, lastUsedAt: 1, expiresAt: 2 };
  await sessions.createSession(session, 'hash');
  assert.deepEqual(
    caller.calls.map(({ name, repeatable }) => [name, repeatable]),
    [
      ['HSET', true],
      ['FCALL', false],
    ],
  );
});
