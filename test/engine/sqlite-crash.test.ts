import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEvent } from '../../shared/event-text.ts';
import { range } from '../contract/kit.ts';
import { LogRoom, readAll } from '../contract/log/kit.ts';
import { LineChild } from '../helpers/child.ts';
import { openEmbedded, temporaryFolder } from '../helpers/engine.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const CHILD = new URL('../helpers/embedded-child.ts', import.meta.url);

test('a process killed amid concurrent appends leaves every acked event once, in its place, and no gap', async (t) => {
  const dataDir = await temporaryFolder(t);
  const clock = new ManualClock(Date.now());
  const setup = await openEmbedded(t, { dataDir, clock });
  const rooms = await Promise.all(range(1, 3).map(() => LogRoom.create({ ...setup, clock }, 'ana')));
  await setup.close();

  const acked = new Map<string, { conversationId: string; seq: number }>();
  for (const round of [1, 2, 3]) {
    const child = new LineChild(t, CHILD, [dataDir, `round-${round}`, ...rooms.map((room) => room.id)]);
    const killAfter = 100 + Math.floor(Math.random() * 2000);
    t.diagnostic(`round ${round}: SIGKILL after ${killAfter} acks`);
    let seen = 0;
    for (let line = await child.lines.next(); !line.done; line = await child.lines.next()) {
      const [conversationId = '', clientMessageId, seq] = line.value.split(' ');
      if (clientMessageId === undefined || seq === undefined) continue;
      acked.set(clientMessageId, { conversationId, seq: Number(seq) });
      if (++seen === killAfter) void child.kill();
    }

    const engine = await openEmbedded(t, { dataDir, clock });
    const found = new Map<string, { conversationId: string; seq: number }>();
    const pointers = await readAll(engine.feed, 0);
    for (const room of rooms) {
      const events: string[] = [];
      const head = (await engine.store.heads([room.id]))[0]?.head ?? 0;
      while (events.length < head) {
        const page = await engine.store.readForward(room.id, events.length, 1000);
        assert.ok(page && page.events.length > 0, `the log of ${head} events ends at ${events.length}`);
        events.push(...page.events);
      }
      const log = events.map(decodeEvent);
      assert.deepEqual(
        log.map((event) => event.seq),
        range(1, head),
      );
      assert.deepEqual(
        pointers.filter(({ conversationId }) => conversationId === room.id).map(({ seq }) => seq),
        range(1, head),
        'the feed has what the log has',
      );
      for (const event of log) {
        if (event.event !== 'message.created') continue;
        const clientMessageId = event.data.clientMessageId ?? '';
        assert.equal(found.has(clientMessageId), false, `${clientMessageId} is there twice`);
        found.set(clientMessageId, { conversationId: room.id, seq: event.seq });
      }
    }
    for (const [clientMessageId, place] of acked) assert.deepEqual(found.get(clientMessageId), place, `${clientMessageId} was acked`);
    await engine.close();
  }
});
