import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatClient } from '../../../client/index.ts';
import { systemClock } from '../../../client/platform.ts';
import { build, newGroup } from '../../helpers/gateway.ts';
import { LiveSocket, listen } from '../../helpers/live-socket.ts';

test('an event that got lost on the way to a live client comes when its app comes to the front', async (t) => {
  const gateway = await build(t);
  const { id } = await newGroup(await gateway.as('ana'), 'bob');
  const { accessToken } = await gateway.signIn('bob');
  const sender = await LiveSocket.live(t, gateway, 'ana');
  const lost = Promise.withResolvers<void>();
  let swallowed = false;
  class Lossy extends WebSocket {
    override set onmessage(handler: ((event: MessageEvent) => void) | null) {
      super.onmessage = (event) => {
        const frame = String(event.data);
        if (swallowed || !frame.startsWith('{"type":"event"') || !frame.includes('"lost"')) return handler?.(event);
        swallowed = true;
        lost.resolve();
      };
    }
  }
  let slept = 0;
  const bob = new ChatClient({
    url: await listen(gateway),
    token: () => accessToken,
    WebSocket: Lossy as never,
    clock: { ...systemClock, monotonic: () => performance.now() + slept },
  });
  t.after(() => bob.close());
  const texts: unknown[] = [];
  const seen = new Map<string, () => void>();
  bob.on('message', ({ data }) => {
    texts.push(data.text);
    seen.get(data.text ?? '')?.();
  });
  const came = (text: string) => new Promise<void>((resolve) => seen.set(text, resolve));
  const say = (text: string) => sender.request({ type: 'message.send', conversationId: id, clientMessageId: text, text });
  await bob.connect();

  await Promise.all([say('first'), came('first')]);
  await Promise.all([say('lost'), lost.promise]);
  assert.deepEqual(texts, ['first']);

  slept += 10_000;
  const found = came('lost');
  bob.setActive();
  await found;
  await Promise.all([say('last'), came('last')]);
  assert.deepEqual(texts, ['first', 'lost', 'last']);
  assert.equal(bob.state, 'live');
});
