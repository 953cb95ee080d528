import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Bus, TopicHandler } from '../../../engine/bus.ts';
import { ACTIVE_MARGIN_MS, ACTIVE_MS, type Engine } from '../../../engine/engine.ts';
import { build, newGroup, type TestGateway } from '../../helpers/gateway.ts';
import { LiveSocket, listen } from '../../helpers/live-socket.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const NO_RATE_LIMIT = { WS_FRAMES_PER_SECOND: '100000', WS_FRAME_BURST: '100000' };

/** The engine with a bus that treats payloads of conversation topics as told. */
function withBus(engine: Engine, treat: (deliver: () => void, count: number) => void): Engine {
  const bus: Bus = {
    presence: engine.bus.presence,
    subscribe: (topic, handler) => {
      let count = 0;
      const treated: TopicHandler = topic.startsWith('{c:') ? (payload) => treat(() => handler(payload), count++) : handler;
      return engine.bus.subscribe(topic, treated);
    },
    unsubscribe: (topic) => engine.bus.unsubscribe(topic),
    publish: (topic, payload) => engine.bus.publish(topic, payload),
    onInterruption: (listener) => engine.bus.onInterruption(listener),
    ping: () => engine.bus.ping(),
    close: () => engine.bus.close(),
  };
  return { ...engine, bus, close: () => engine.close() };
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

async function chatter(sender: LiveSocket, conversationId: string, count: number, tag = 'm'): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      sender.request({ type: 'message.send', conversationId, clientMessageId: `${tag}${i}`, text: `${tag} ${i}` }),
    ),
  );
}

async function twoInAGroup(t: TestContext, gateway: TestGateway) {
  const { id } = await newGroup(await gateway.as('ana'), 'bob');
  const ana = await LiveSocket.live(t, gateway, 'ana');
  const bob = await LiveSocket.open(t, await listen(gateway), (await gateway.signIn('bob')).accessToken);
  await bob.sync({ [id]: { seq: 0 } });
  return { id, ana, bob };
}

test('a bus that loses, doubles and reorders is not seen by the clients', async (t) => {
  let pending: (() => void) | undefined;
  const gateway = await build(t, {
    env: { ...NO_RATE_LIMIT, WS_REPAIR_MS: '100' },
    engine: (engine) =>
      withBus(engine, (deliver, count) => {
        if (count % 7 === 3) return; // lost
        if (count % 5 === 2) {
          pending = deliver; // late, behind the next one
          return;
        }
        deliver();
        if (count % 3 === 0) deliver(); // doubled
        pending?.();
        pending = undefined;
      }),
  });
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  for (let round = 0; round < 10; round++) await chatter(ana, id, 30, `r${round}-`);
  await bob.until(() => bob.seqs(id).length >= 301);
  assert.deepEqual(bob.seqs(id), upTo(301));
  assert.ok((await gateway.app.metrics.registry.metrics()).match(/chat_gap_repairs_total (\d+)/)?.[1] !== '0');
});

test('the last event of a conversation, lost on the bus, comes with the next comparison of heads', async (t) => {
  let deaf = false;
  const gateway = await build(t, {
    env: { WS_REPAIR_MS: '100' },
    engine: (engine) => withBus(engine, (deliver) => deaf || deliver()),
  });
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  deaf = true;
  await chatter(ana, id, 1);
  await bob.until(() => bob.seqs(id).length >= 2);
  assert.deepEqual(bob.seqs(id), upTo(2));
});

test('connecting again and again amid traffic, from the cursor held, leaves no gap and no double', async (t) => {
  const gateway = await build(t, { env: { ...NO_RATE_LIMIT, WS_SYNC_EVENTS: '1000' } });
  const { id, ana, bob: first } = await twoInAGroup(t, gateway);
  first.ws.terminate();
  const total = 600;
  const sending = (async () => {
    for (let i = 0; i < total / 20; i++) await chatter(ana, id, 20, `r${i}-`);
  })();
  const { accessToken } = await gateway.signIn('bob');
  const url = await listen(gateway);
  const seen: number[] = [];
  while (seen.length < total + 1) {
    const socket = await LiveSocket.open(t, url, accessToken);
    await socket.sync({ [id]: { seq: seen.length } });
    const goal = Math.min(total + 1, seen.length + 20);
    await socket.until(() => seen.length + socket.seqs(id).length >= goal);
    socket.ws.terminate();
    await socket.closed;
    seen.push(...socket.seqs(id));
  }
  await sending;
  assert.deepEqual(seen, upTo(total + 1));
});

test('a conversation becomes inactive unheard and activates with its first message, without gap or double', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: { ...NO_RATE_LIMIT, WS_REPAIR_MS: '100', JWT_ACCESS_SECONDS: '86400' } });
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  await chatter(ana, id, 3, 'active');
  await bob.until(() => bob.seqs(id).length === 4);
  const { hub } = gateway.app;
  assert.equal(hub.topicCount, 1);

  for (let night = 1; night <= 3; night++) {
    clock.advance(ACTIVE_MS + ACTIVE_MARGIN_MS + 1000);
    while (hub.topicCount > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await chatter(ana, id, 5, `night${night}-`);
    await bob.until(() => bob.seqs(id).length >= 4 + night * 5);
    assert.equal(hub.topicCount, 1);
  }
  assert.deepEqual(bob.seqs(id), upTo(19));
  assert.deepEqual(ana.seqs(id), upTo(19).slice(1));
});

test('typing and receipts activate an inactive conversation too', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: { WS_REPAIR_MS: '100', JWT_ACCESS_SECONDS: '86400' } });
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  await chatter(ana, id, 1);
  await bob.until(() => bob.seqs(id).length === 2);
  clock.advance(ACTIVE_MS + ACTIVE_MARGIN_MS + 1000);
  while (gateway.app.hub.topicCount > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  // The first one activates; whoever types goes on typing, and from then on it is heard.
  await ana.request({ type: 'typing', conversationId: id, active: true });
  await bob.until(() => gateway.app.hub.topicCount === 1 || bob.frames.some(({ type }) => type === 'typing'));
  await ana.request({ type: 'message.send', conversationId: id, clientMessageId: 'z', text: 'there' });
  await bob.until(() => bob.seqs(id).length === 3);
  await ana.request({ type: 'typing', conversationId: id, active: true });
  assert.equal((await bob.next('typing')).userId, 'ana');
  await bob.request({ type: 'receipt.read', conversationId: id, seq: 3 });
  assert.deepEqual(
    { ...(await ana.next('receipt')), at: 0 },
    { type: 'receipt', conversationId: id, userId: 'bob', kind: 'read', seq: 3, at: 0 },
  );
});

test('a member removed while the conversation slept hears nothing of it when it activates', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: { WS_REPAIR_MS: '100', JWT_ACCESS_SECONDS: '86400' } });
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  await chatter(ana, id, 1);
  await bob.until(() => bob.seqs(id).length === 2);
  const removed = await (await gateway.as('ana'))('DELETE', `/conversations/${id}/members/bob`);
  assert.equal(removed.status, 204);
  await bob.next('conversation', ({ change }) => change === 'removed');
  await chatter(ana, id, 3, 'after');
  await ana.until(() => ana.seqs(id).at(-1) === 6);
  // A round trip later, so that anything sent to bob before it would have come.
  await bob.request({ type: 'ping' });
  assert.deepEqual(bob.seqs(id), upTo(3));
});

test('a member added to a live group hears it from the event that let it in', async (t) => {
  const gateway = await build(t);
  const { id, ana } = await twoInAGroup(t, gateway);
  await chatter(ana, id, 2);
  const cid = await LiveSocket.live(t, gateway, 'cid');
  assert.equal((await (await gateway.as('ana'))('POST', `/conversations/${id}/members`, { members: [{ userId: 'cid' }] })).status, 204);
  await cid.next('conversation', ({ change, conversation }) => change === 'added' && conversation?.id === id);
  await chatter(ana, id, 2, 'later');
  await cid.until(() => cid.seqs(id).at(-1) === 6);
  assert.deepEqual(cid.seqs(id), [4, 5, 6]);
});

test('a member put out and let in again, both unheard while the topic is live, goes on without gap or double', async (t) => {
  let held: (() => void)[] | undefined;
  const gateway = await build(t, {
    engine: (engine) => withBus(engine, (deliver) => (held === undefined ? deliver() : held.push(deliver))),
  });
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  await chatter(ana, id, 1);
  await bob.until(() => bob.seqs(id).length === 2);
  // The user is told of both by another way than the log events take, and before them.
  const late: (() => void)[] = [];
  held = late;
  const owner = await gateway.as('ana');
  assert.equal((await owner('DELETE', `/conversations/${id}/members/bob`)).status, 204);
  assert.equal((await owner('POST', `/conversations/${id}/members`, { members: [{ userId: 'bob' }] })).status, 204);
  await bob.next('conversation', ({ change }) => change === 'added');
  held = undefined;
  for (const deliver of late) deliver();
  await chatter(ana, id, 2, 'after');
  await bob.until(() => bob.seqs(id).at(-1) === 6);
  assert.deepEqual(bob.seqs(id), upTo(6));
});

test('a second sync that names a cursor of a live conversation goes back to it', async (t) => {
  const gateway = await build(t);
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  await chatter(ana, id, 4);
  await bob.until(() => bob.seqs(id).length === 5);
  bob.frames.length = 0;
  await bob.sync({ [id]: { seq: 3 } });
  await chatter(ana, id, 1, 'next');
  await bob.until(() => bob.seqs(id).at(-1) === 6);
  assert.deepEqual(bob.seqs(id), [4, 5, 6]);
});

test('after the bus was interrupted everything it swallowed is looked up', async (t) => {
  let deaf = false;
  let interrupt = (): void => {};
  const gateway = await build(t, {
    env: { WS_REPAIR_MS: '3600000' },
    engine: (engine) => {
      const wrapped = withBus(engine, (deliver) => deaf || deliver());
      const onInterruption = (listener: () => void) => {
        interrupt = listener;
        return () => {};
      };
      return { ...wrapped, bus: { ...wrapped.bus, onInterruption } };
    },
  });
  const { id, ana, bob } = await twoInAGroup(t, gateway);
  deaf = true;
  await chatter(ana, id, 3);
  deaf = false;
  interrupt();
  await bob.until(() => bob.seqs(id).length >= 4);
  assert.deepEqual(bob.seqs(id), upTo(4));
});

/** The engine as it looks after the log got a new epoch: everything of it that a gateway reads or hears names that one. */
function withEpoch(engine: Engine, renamed: () => { from: string; to: string } | undefined, goesOn: boolean): Engine {
  const rename = (text: string): string => {
    const names = renamed();
    return names === undefined ? text : text.replaceAll(`"epoch":"${names.from}"`, `"epoch":"${names.to}"`);
  };
  const wrapped = withBus(engine, (deliver) => deliver());
  const bus: Bus = {
    ...wrapped.bus,
    subscribe: (topic, handler) => engine.bus.subscribe(topic, (payload) => handler(Buffer.from(rename(payload.toString())))),
  };
  const store = new Proxy(engine.store, {
    get: (target, name) => {
      if (name === 'readForward') {
        return async (...[id, after, limit, epoch]: Parameters<typeof target.readForward>) => {
          const range = await target.readForward(id, after, limit);
          if (range === undefined) return undefined;
          const names = renamed();
          const current = names?.to ?? range.epoch;
          const reset = epoch !== undefined && epoch !== current && !goesOn;
          return { ...range, events: reset ? [] : range.events.map(rename), epoch: current, ...(reset ? { reset: true as const } : {}) };
        };
      }
      if (name === 'joins') {
        return async (...[requests, now]: Parameters<typeof target.joins>) => {
          const names = renamed();
          const results = await target.joins(
            requests.map((request) => (names === undefined ? request : { ...request, epoch: names.from })),
            now,
          );
          return results.map((result, i) => {
            if (names === undefined) return result;
            const reset = requests[i]?.epoch !== names.to && !goesOn;
            const events = reset ? [] : result.events.map(rename);
            return { ...result, events, epoch: names.to, ...(reset ? { reset: true as const } : {}) };
          });
        };
      }
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...engine, store, bus, close: () => engine.close() };
}

for (const goesOn of [true, false]) {
  test(`a new epoch whose log ${goesOn ? 'goes on resets nobody' : 'does not go on resets everyone'}, and events flow on`, async (t) => {
    let names: { from: string; to: string } | undefined;
    const gateway = await build(t, { engine: (engine) => withEpoch(engine, () => names, goesOn) });
    const { id, ana, bob } = await twoInAGroup(t, gateway);
    await chatter(ana, id, 2);
    await bob.until(() => bob.seqs(id).length === 3);
    const { epoch } = await bob.next('event');
    names = { from: epoch, to: 'another' };
    await chatter(ana, id, 1, 'n');
    await bob.until(() => (goesOn ? bob.seqs(id).length === 4 : bob.frames.some(({ type }) => type === 'sync.reset')));
    await chatter(ana, id, 1, 'o');
    await bob.until(() => bob.seqs(id).at(-1) === 5);
    const resets = bob.frames.filter((frame) => frame.type === 'sync.reset');
    if (goesOn) {
      assert.deepEqual(resets, []);
      const renamed = bob.frames.filter((frame) => frame.type === 'sync.page' && frame.continues !== undefined);
      assert.deepEqual(renamed, [{ type: 'sync.page', conversationId: id, epoch: 'another', head: 3, events: [], continues: epoch }]);
      assert.deepEqual(bob.seqs(id), upTo(5));
    } else {
      assert.deepEqual(resets, [{ type: 'sync.reset', conversationId: id, epoch: 'another', head: 4 }]);
      assert.deepEqual(bob.seqs(id), [1, 2, 3, 5]);
    }
  });
}
