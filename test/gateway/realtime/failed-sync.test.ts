import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTIVE_MARGIN_MS, ACTIVE_MS } from '../../../engine/engine.ts';
import { ChatError } from '../../../shared/errors.ts';
import { build, newGroup } from '../../helpers/gateway.ts';
import { interposed } from '../../helpers/interposed-engine.ts';
import { LiveSocket, listen } from '../../helpers/live-socket.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

test('what became active during a sync that failed is not told once more after the next', async (t) => {
  const clock = new ManualClock();
  let reading: PromiseWithResolvers<void> | undefined;
  let readable = Promise.withResolvers<void>();
  const gateway = await build(t, {
    clock,
    env: { JWT_ACCESS_SECONDS: '86400' },
    engine: (engine) =>
      interposed(engine, {
        store: (store) => ({
          sync: async (request) => {
            reading?.resolve();
            await readable.promise;
            return store.sync(request);
          },
        }),
      }),
  });
  readable.resolve();
  const { id } = await newGroup(await gateway.as('ana'), 'bob');
  const ana = await LiveSocket.live(t, gateway, 'ana');
  const say = (text: string) => ana.request({ type: 'message.send', conversationId: id, clientMessageId: text, text });
  const night = (): void => clock.advance(ACTIVE_MS + ACTIVE_MARGIN_MS);
  const bob = await LiveSocket.open(t, await listen(gateway), (await gateway.signIn('bob')).accessToken);

  night();
  reading = Promise.withResolvers();
  readable = Promise.withResolvers();
  const failing = bob.request({ type: 'sync', cursors: { [id]: { seq: 0 } } });
  await reading.promise;
  // Inactive when bob began to sync, it activates now: he is told, and will follow it when the sync is done.
  await say('one');
  readable.reject(new ChatError('CHAT_ERR_STORE_UNAVAILABLE'));
  assert.equal((await failing).type, 'error');

  readable = Promise.withResolvers();
  readable.resolve();
  night();
  await bob.sync({ [id]: { seq: 0 } });
  await say('two');
  await bob.until(() => bob.seqs(id).at(-1) === 3);
  assert.deepEqual(bob.seqs(id), [1, 2, 3]);
});
