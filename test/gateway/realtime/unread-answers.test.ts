import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { build, newGroup } from '../../helpers/gateway.ts';
import { LiveSocket, listen } from '../../helpers/live-socket.ts';

const LIMIT_BYTES = 1_048_576;
const MESSAGES = 50;
const TEXT = 'x'.repeat(8000);
const ANSWER_BYTES = MESSAGES * 8500;
const ROUNDS = 20;
const A_ROUND = 20;

/** How to ask for everything in a conversation, and how many such reads one connection may have under way. */
const ASKING = {
  history: { reads: 8, ask: (conversationId: string) => ({ type: 'history', conversationId, limit: 200 }) },
  sync: { reads: 1, ask: (conversationId: string) => ({ type: 'sync', cursors: { [conversationId]: { seq: 0 } } }) },
};

for (const [type, { reads, ask }] of Object.entries(ASKING)) {
  test(`a client that asks by ${type} and reads nothing is refused more, and what is held for it does not grow`, async (t) => {
    const gateway = await build(t, {
      env: { WS_SEND_BUFFER_BYTES: `${LIMIT_BYTES}`, WS_FRAMES_PER_SECOND: '100000', WS_FRAME_BURST: '100000' },
    });
    const { id } = await newGroup(await gateway.as('ana'), 'bob');
    // Where bob's frames are seen to have been taken, without his reading anything.
    const { id: aside } = await newGroup(await gateway.as('ana'), 'bob');
    const ana = await LiveSocket.live(t, gateway, 'ana');
    for (let i = 0; i < MESSAGES; i++) {
      await ana.request({ type: 'message.send', conversationId: id, clientMessageId: `m${i}`, text: TEXT });
    }
    const accepted = new Promise<Socket>((resolve) => gateway.app.server.once('connection', resolve));
    const bob = await LiveSocket.open(t, await listen(gateway), (await gateway.signIn('bob')).accessToken);
    const socket = await accepted;
    bob.ws.pause();

    const refs: string[] = [];
    let rounds = 0;
    const round = async (): Promise<void> => {
      for (let i = 0; i < A_ROUND; i++) {
        const ref = `${rounds}-${i}`;
        refs.push(ref);
        bob.send({ ref, ...ask(id) });
      }
      bob.send({ type: 'message.send', conversationId: aside, clientMessageId: `${rounds++}`, text: 'taken' });
      await ana.until(() => ana.seqs(aside).length === rounds);
    };
    // Until the kernel takes no more.
    while (socket.writableLength <= LIMIT_BYTES) await round();
    let most = 0;
    for (let i = 0; i < ROUNDS; i++) {
      await round();
      most = Math.max(most, socket.writableLength);
    }
    assert.ok(most < 2 * LIMIT_BYTES + reads * ANSWER_BYTES, `${most} bytes are held`);

    bob.ws.resume();
    const codes = new Set<string>();
    for (const ref of refs) {
      await bob.until(() => bob.frames.some((frame) => frame.ref === ref));
      const reply = bob.frames.find((frame) => frame.ref === ref);
      codes.add(reply?.type === 'error' ? reply.error.code : 'answered');
    }
    assert.ok(codes.has('answered') && codes.has('CHAT_ERR_RATE_LIMITED'), [...codes].join());
    // Now that it reads it may ask again.
    assert.notEqual((await bob.request(ask(id))).type, 'error');
  });
}
