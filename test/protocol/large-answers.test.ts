import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from './helpers/wire.ts';
import { pageOf, pair, useServer } from './helpers/world.ts';

const world = useServer();

async function fill(conversationId: string, userId: string, count: number, bytes: number): Promise<number> {
  let last = 0;
  for (let i = 0; i < count; i++) last = await world.rest.send(conversationId, userId, 'x'.repeat(bytes));
  return last;
}

test('§10 a page of the largest messages is answered, if need be with fewer than asked for', async (t) => {
  const { ana, a, conversationId } = await pair(t, world);
  const head = await fill(conversationId, ana.userId, 200, 8000);
  const seqs: number[] = [];
  for (let after = 1; after < head; after = seqs.at(-1) as number) {
    const page = await a.ok({ type: 'history', conversationId, after, limit: 200 });
    seqs.push(...page['events'].map((event: Frame) => event['seq']));
  }
  assert.deepEqual(
    seqs,
    Array.from({ length: head - 1 }, (_, i) => i + 2),
  );
});

test('§4.4 §4.5 a conversation that missed much text is told or truncated, and the client is not closed for it', async (t) => {
  const { ana, bob, b, conversationId } = await pair(t, world);
  const { epoch, head } = pageOf(b.frames, conversationId) as Frame;
  b.close();
  const last = await fill(conversationId, ana.userId, 190, 8000);
  const wire = await bob.connect('fresh');
  const page = pageOf(await wire.sync({ cursors: { [conversationId]: { seq: head, epoch } } }), conversationId) as Frame;
  assert.equal(page['head'], last);
  assert.equal(page['truncated'] === true || page['events'].length === last - head, true);
});

test('§4.3 a sync of many conversations that all missed something is told in full', async (t) => {
  const { ana, bob, b } = await pair(t, world);
  b.close();
  const cursors: Record<string, object> = {};
  for (let i = 0; i < 15; i++) {
    const id = await world.rest.group(ana.userId, bob.userId);
    const { head, epoch } = await world.rest.expect<{ head: number; epoch: string }>('GET', `/v1/conversations/${id}`, { as: bob.userId });
    cursors[id] = { seq: head, epoch };
    await fill(id, ana.userId, 100, 1000);
  }
  const wire = await bob.connect('fresh');
  const frames = await wire.sync({ cursors });
  assert.equal(frames.filter((frame) => frame.type === 'sync.page' && frame['conversationId'] in cursors).length, 15);
});
