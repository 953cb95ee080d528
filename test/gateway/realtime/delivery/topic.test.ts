import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConversationTopic } from '../../../../gateway/realtime/delivery/topic.ts';
import type { Join } from '../../../../gateway/realtime/delivery/topic-join.ts';
import type { Connection } from '../../../../gateway/realtime/transport/connection.ts';
import { FlushScheduler } from '../../../../gateway/realtime/transport/flush-scheduler.ts';
import { encodeEvent, encodeEventTail } from '../../../../shared/event-text.ts';
import { readFrames } from '../../../helpers/wire-frames.ts';

const conversationId = 'g-AAAAAAAAAAAAAAAAAAAAAA';

function payload(
  seq: number,
  epoch = 'e1',
  event: 'message.created' | 'member.removed' = 'message.created',
  data: unknown = { text: `m${seq}` },
): Buffer {
  return Buffer.from(encodeEvent(seq, epoch, encodeEventTail({ conversationId, id: `id-${seq}`, at: seq, actorId: 'ana', event, data })));
}

/** A topic with what it asked of its world, and connections that remember what they were sent. */
function build(head: number | null = 0) {
  const asked: string[] = [];
  const topic = new ConversationTopic(
    {
      scheduler: new FlushScheduler(),
      repair: () => asked.push('repair'),
      rejoin: (_topic, { connection, place }) => asked.push(`rejoin ${connection.userId} from ${place?.epoch} ${place?.seq}`),
      onRemoved: (_topic, connections, { seq }) => asked.push(`removed ${connections.length} of ${connections[0]?.userId} at ${seq}`),
      onEmpty: () => asked.push('empty'),
      onDelivered: () => {},
      onViolation: (_topic, connection) => asked.push(`violation ${connection.userId}`),
    },
    conversationId,
  );
  const joins = new Map<Connection, Join>();
  const connect = (userId = 'bob', joinedAt: number | null = topic.position?.seq ?? null) => {
    const sent: Buffer[] = [];
    const control: unknown[] = [];
    const connection = {
      userId,
      background: false,
      topics: undefined,
      sendBuffer: { push: (frame: Buffer) => sent.push(frame) },
      send: (frame: unknown) => control.push(frame),
    } as unknown as Connection;
    joins.set(connection, topic.join(connection));
    if (joinedAt !== null) enter(connection, joinedAt);
    const events = (): { seq?: number; type: string }[] => readFrames(Buffer.concat(sent)).map((text) => JSON.parse(text));
    return { connection, sent, control, seqs: () => events().map(({ seq }) => seq), events };
  };
  /** An answer gave the connection everything up to `seq`. */
  const enter = (connection: Connection, seq: number, epoch = 'e1'): void => topic.enter(joins.get(connection) as Join, { epoch, seq });
  if (head !== null) {
    topic.leave(connect('first', head).connection);
    asked.length = 0;
  }
  return { topic, asked, connect, enter };
}

test('delivers contiguous events and drops what it has delivered before', () => {
  const { topic, asked, connect } = build();
  const bob = connect();
  for (const seq of [1, 2, 2, 1, 3]) topic.receive(payload(seq));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1, 2, 3]);
  assert.deepEqual(asked, []);
});

test('holds an event that came early, asks for the gap, and goes on in order once it is filled', () => {
  const { topic, asked, connect } = build();
  const bob = connect();
  for (const seq of [1, 4, 3]) topic.receive(payload(seq));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1]);
  assert.ok(asked.includes('repair'));
  topic.fill([{ seq: 2, payload: payload(2) }]);
  topic.flush();
  assert.deepEqual(bob.seqs(), [1, 2, 3, 4]);
  assert.equal(topic.hasHeld, false);
});

test('gives every member of a busy turn the same one buffer', () => {
  const { topic, connect } = build();
  const [bob, cid] = [connect('bob'), connect('cid')];
  for (let seq = 1; seq <= 10; seq++) topic.receive(payload(seq));
  topic.flush();
  assert.equal(bob.sent.length, 1);
  assert.equal(bob.sent[0], cid.sent[0]);
  assert.equal(bob.seqs().length, 10);
});

test('splices a newcomer in without gap or double, whatever was published while its missed events were read', () => {
  const { topic, connect, enter } = build();
  const bob = connect('bob');
  topic.receive(payload(1));
  const cid = connect('cid', null);
  topic.receive(payload(2));
  topic.receive(payload(3));
  // The read happened after 2 and before 3: 1 and 2 went out in its page.
  enter(cid.connection, 2);
  topic.receive(payload(4));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1, 2, 3, 4]);
  assert.deepEqual(cid.seqs(), [3, 4]);
});

test('a newcomer whose read was ahead of the bus gets nothing twice when the bus catches up', () => {
  const { topic, asked, connect, enter } = build();
  const bob = connect('bob');
  const cid = connect('cid', null);
  enter(cid.connection, 2);
  assert.ok(asked.includes('repair'));
  for (const seq of [1, 2, 3]) topic.receive(payload(seq));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1, 2, 3]);
  assert.deepEqual(cid.seqs(), [3]);
});

test('what came before the first look at the log is kept and judged by it', () => {
  const { topic, connect, enter } = build(null);
  const bob = connect('bob', null);
  for (const seq of [7, 8]) topic.receive(payload(seq));
  enter(bob.connection, 7);
  topic.flush();
  assert.deepEqual(bob.seqs(), [8]);
});

test('a removed member gets its removal and nothing after it, even within one turn', () => {
  const { topic, connect } = build();
  const [bob, cid] = [connect('bob'), connect('cid')];
  topic.receive(payload(1));
  topic.receive(payload(2, 'e1', 'member.removed', { userId: 'bob' }));
  topic.receive(payload(3));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1, 2]);
  assert.deepEqual(cid.seqs(), [1, 2, 3]);
});

test('a message that only mentions a removal removes nobody', () => {
  const { topic, connect } = build();
  const bob = connect('bob');
  topic.receive(payload(1, 'e1', 'message.created', { text: 'x', metadata: { event: 'member.removed', userId: 'bob' } }));
  topic.receive(payload(2));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1, 2]);
});

test('a typing frame stays behind the events before it and skips background clients', () => {
  const { topic, connect } = build();
  const [bob, cid] = [connect('bob'), connect('cid')];
  cid.connection.background = true;
  topic.receive(payload(1));
  topic.receive(Buffer.from(JSON.stringify({ type: 'typing', conversationId, userId: 'ana', active: true })));
  topic.receive(Buffer.from(JSON.stringify({ type: 'receipt', conversationId, userId: 'ana', kind: 'read', seq: 1, at: 1 })));
  topic.flush();
  assert.deepEqual(
    bob.events().map(({ type }) => type),
    ['event', 'typing', 'receipt'],
  );
  assert.deepEqual(
    cid.events().map(({ type }) => type),
    ['event', 'receipt'],
  );
});

test('an event of another epoch is not delivered but looked into; with another history everyone must be let in anew', () => {
  const { topic, asked, connect } = build();
  const [bob, cid] = [connect('bob'), connect('cid')];
  topic.receive(payload(1));
  topic.receive(payload(2, 'e2'));
  assert.deepEqual(asked, ['repair']);
  topic.reset('e2', 1);
  topic.receive(payload(2, 'e2'));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1], 'nothing of a history that may not have the user as a member');
  assert.deepEqual(asked.slice(1), ['rejoin bob from e1 1', 'rejoin cid from e1 1']);
  assert.equal(topic.has(cid.connection), true);
});

test('a newcomer whose read belongs to another history is read again once the topic knows which one the log has', () => {
  const { topic, asked, connect, enter } = build();
  const [ana, bob] = [connect('ana'), connect('bob', null)];
  enter(bob.connection, 3, 'e2');
  assert.deepEqual(asked, ['repair', 'rejoin bob from e2 3']);
  topic.receive(payload(1));
  topic.flush();
  assert.deepEqual([ana.seqs(), bob.seqs()], [[1], []]);
});

test('an answer of another history than a topic without readers has makes the topic look at its log', () => {
  const { topic, asked, connect, enter } = build(3);
  const bob = connect('bob', null);
  topic.continueIn('e2');
  topic.receive(payload(4, 'e2'));
  enter(bob.connection, 3);
  assert.deepEqual(asked, ['repair']);
  topic.continueIn('e2');
  topic.fill([{ seq: 4, payload: payload(4, 'e2') }]);
  topic.flush();
  assert.deepEqual(bob.seqs(), [4]);
});

test('a newcomer whose read is older than the topic is given what came before the first read of another', () => {
  const { topic, asked, connect, enter } = build(null);
  const [ana, bob, cid] = [connect('ana', null), connect('bob', null), connect('cid', null)];
  for (const seq of [5, 6, 7]) topic.receive(payload(seq));
  enter(ana.connection, 7);
  enter(bob.connection, 5);
  enter(cid.connection, 2);
  topic.flush();
  assert.deepEqual([ana.seqs(), bob.seqs()], [[], [6, 7]]);
  assert.deepEqual([cid.seqs(), asked], [[], ['repair', 'rejoin cid from e1 2']], 'nobody knows 3 and 4 here');
});

test('a newcomer who was removed after the read is given the removal, and nothing after it', () => {
  const { topic, asked, connect, enter } = build();
  const [ana, bob] = [connect('ana'), connect('bob', null)];
  topic.receive(payload(1));
  topic.receive(payload(2, 'e1', 'member.removed', { userId: 'bob' }));
  topic.receive(payload(3));
  enter(bob.connection, 0);
  topic.receive(payload(4));
  topic.flush();
  assert.deepEqual(
    [ana.seqs(), bob.seqs()],
    [
      [1, 2, 3, 4],
      [1, 2],
    ],
  );
  assert.deepEqual(asked, ['removed 1 of bob at 2']);
  assert.equal(topic.has(bob.connection), false);
});

test('an answer that was overtaken by another join lets nobody in', () => {
  const { topic, connect } = build();
  const [ana, bob] = [connect('ana'), connect('bob', null)];
  const first = topic.join(bob.connection);
  const second = topic.join(bob.connection);
  topic.enter(first, { epoch: 'e1', seq: 0 });
  topic.receive(payload(1));
  topic.enter(second, { epoch: 'e1', seq: 1 });
  topic.receive(payload(2));
  topic.flush();
  assert.deepEqual([ana.seqs(), bob.seqs()], [[1, 2], [2]]);
});

test('who goes back to an earlier place keeps what was gathered for it this turn', () => {
  const { topic, connect } = build();
  const bob = connect('bob');
  topic.receive(payload(1));
  const place = topic.placeOf(bob.connection);
  topic.enter(topic.join(bob.connection, place), place as { epoch: string; seq: number });
  topic.receive(payload(2));
  topic.flush();
  assert.deepEqual(bob.seqs(), [1, 2]);
});

test('says so when the last connection leaves', () => {
  const { topic, asked, connect } = build();
  const bob = connect('bob');
  topic.leave(bob.connection);
  assert.deepEqual(asked, ['empty']);
  assert.equal(bob.connection.topics?.size, 0);
});
