import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Commit, CommitOutcome, ConversationLog } from '../../engine/conversation-log.ts';
import { type CommandRequest, Executor } from '../../messaging/executor.ts';
import { DEFAULT_LIMITS } from '../../messaging/rules/rule.ts';
import type { Command } from '../../shared/commands.ts';
import { ChatError } from '../../shared/errors.ts';
import { groupConversationId, newEventId } from '../../shared/ids.ts';
import { MemoryConversationLog } from '../helpers/memory-conversation-log.ts';

const ID = groupConversationId('ana');
const AT = 1_700_000_000_000;
const OWNED = [{ userId: 'ana', role: 'owner' as const }];
const CREATE = { op: 'conversation.create', kind: 'group', members: OWNED } as const;

type Asked = Omit<Command, 'conversationId' | 'actorId'> & { actorId?: string };

const request = ({ actorId = 'ana', ...command }: Asked, at = AT): CommandRequest =>
  ({ command: { conversationId: ID, actorId, ...command }, eventId: newEventId(), at }) as CommandRequest;
const send = (n: number | string, actorId = 'ana') =>
  ({ op: 'message.send', actorId, clientMessageId: `c${n}`, text: `text ${n}` }) as unknown as Asked;
const add = (...userIds: string[]) =>
  ({ op: 'member.add', members: userIds.map((userId) => ({ userId, role: 'member' })) }) as unknown as Asked;
const other = (command: object) => command as unknown as Asked;

const wrap = (log: ConversationLog): ConversationLog => ({
  load: (...args) => log.load(...args),
  commit: (...args) => log.commit(...args),
  replaceActivation: (...args) => log.replaceActivation(...args),
});

/** A log whose answers come after some turns of the event loop, so that others get in between. */
class SlowLog implements ConversationLog {
  readonly #log: ConversationLog;
  readonly #turns: () => number;
  /** Calls of `load`, and commits. */
  loads = 0;
  readonly commits: Commit[][] = [];

  constructor(log: ConversationLog, turns: () => number = () => 1) {
    this.#log = log;
    this.#turns = turns;
  }

  async load(...args: Parameters<ConversationLog['load']>): ReturnType<ConversationLog['load']> {
    this.loads += 1;
    await this.#wait();
    const facts = await this.#log.load(...args);
    await this.#wait();
    return facts;
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    this.commits.push([...commits]);
    const outcomes = await this.#log.commit(commits);
    await this.#wait();
    return outcomes;
  }

  replaceActivation(...args: Parameters<ConversationLog['replaceActivation']>): Promise<boolean> {
    return this.#log.replaceActivation(...args);
  }

  async #wait(): Promise<void> {
    for (let turns = this.#turns(); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  }
}

test('commands that load nothing go to the engine in one call, and nothing is loaded for them', async () => {
  const log = new SlowLog(new MemoryConversationLog());
  const executor = new Executor(log, DEFAULT_LIMITS);
  await executor.execute([request(CREATE)]);
  const results = await executor.execute([1, 2, 3].map((n) => request(send(n))));
  assert.deepEqual(
    results.map((result) => result.ok && result.seq),
    [2, 3, 4],
  );
  assert.deepEqual([log.commits.length, log.commits[1]?.length, log.loads], [2, 3, 0]);
});

test('effects come in the order of the commands, whether something is loaded for them or not', async () => {
  const executor = new Executor(new SlowLog(new MemoryConversationLog()), DEFAULT_LIMITS);
  const results = await executor.execute([
    request(CREATE),
    request(add('bob')),
    request(send(1, 'bob')),
    request(other({ op: 'message.edit', actorId: 'bob', seq: 3, text: 'edited' })),
    request(other({ op: 'member.remove', userId: 'bob' })),
    request(send(2, 'bob')),
    request(send(3)),
  ]);
  assert.deepEqual(
    results.map((result) => (result.ok ? result.seq : result.error.code)),
    [1, 2, 3, 4, 5, 'CHAT_ERR_NOT_MEMBER', 6],
  );
});

test('commands of a later call do not overtake those that wait for what they load', async () => {
  const executor = new Executor(new SlowLog(new MemoryConversationLog()), DEFAULT_LIMITS);
  await executor.execute([request(CREATE)]);
  const first = executor.execute([request(add('bob'))]);
  const second = executor.execute([request(send(1, 'bob'))]);
  assert.deepEqual([(await first)[0]?.ok, (await second)[0]?.ok], [true, true]);
});

test('a conversation whose work is slow holds up no other', async () => {
  const memory = new MemoryConversationLog();
  const executor = new Executor(memory, DEFAULT_LIMITS);
  const elsewhere = groupConversationId('bob');
  const never = { load: () => new Promise<never>(() => {}), commit: memory.commit.bind(memory), replaceActivation: async () => true };
  const stuck = new Executor(never, DEFAULT_LIMITS);
  await executor.execute([request(CREATE)]);
  const there = (command: object) => ({ ...request(other(command)), command: { conversationId: elsewhere, ...command } }) as CommandRequest;
  const given: number[] = [];
  void stuck.execute([request(add('bob')), request(send(1))], (place) => given.push(place));
  const [made] = await stuck.execute([there({ ...CREATE, actorId: 'ana' })]);
  assert.equal(made?.ok, true);
  assert.deepEqual(given, []);
});

test('a conversation that is made again answers a member the first result, and others nothing', async () => {
  const executor = new Executor(new MemoryConversationLog(), DEFAULT_LIMITS);
  const [first] = await executor.execute([request(CREATE)]);
  assert.ok(first?.ok);
  const [again] = await executor.execute([request(CREATE, AT + 5)]);
  assert.ok(again?.ok);
  assert.deepEqual([again.duplicate, again.seq, again.id, again.at], [true, 1, first.id, AT]);
  const [foreign] = await executor.execute([request({ ...CREATE, actorId: 'eve' })]);
  assert.ok(foreign?.ok === false && foreign.error.code === 'CHAT_ERR_IDEMPOTENCY_MISMATCH');
});

test('that nothing was left to do is answered when the engine has confirmed it, not when it was read', async () => {
  const memory = new MemoryConversationLog();
  const failed = { status: 'failed', error: new ChatError('CHAT_ERR_NOT_DURABLE').toBody() } as const;
  const unconfirmed = { ...wrap(memory), commit: async (commits: readonly Commit[]) => commits.map(() => failed) };
  await new Executor(memory, DEFAULT_LIMITS).execute([request(CREATE)]);
  const [result] = await new Executor(unconfirmed, DEFAULT_LIMITS).execute([request(other({ op: 'member.remove', userId: 'bob' }))]);
  assert.ok(result?.ok === false && result.error.code === 'CHAT_ERR_NOT_DURABLE');
});

test('a conversation with too many members is not made; to one that was made before the limit is nothing', async () => {
  const log = new MemoryConversationLog();
  const members = ['ana', 'bob'].map((userId) => ({ userId, role: 'owner' }));
  const creation = request({ ...CREATE, members } as unknown as Asked);
  const small = new Executor(log, { ...DEFAULT_LIMITS, groupMaxMembers: 1 });
  const [refused] = await small.execute([creation]);
  assert.ok(refused?.ok === false && refused.error.code === 'CHAT_ERR_LIMIT');
  const [found] = await small.execute([request(send(1))]);
  assert.ok(found?.ok === false && found.error.code === 'CHAT_ERR_CONVERSATION_NOT_FOUND');
  const [first] = await new Executor(log, DEFAULT_LIMITS).execute([creation]);
  const [again] = await small.execute([creation]);
  assert.ok(first?.ok && again?.ok);
  assert.deepEqual([again.duplicate, again.id], [true, first.id]);
});

test('a repeat of a creation answers by how the conversation stood at its turn, whatever comes behind it in the batch', async () => {
  class SlowFirstEntry extends SlowLog {
    override async load(...[id, wanted]: Parameters<ConversationLog['load']>): ReturnType<ConversationLog['load']> {
      for (let turns = wanted.entries === undefined ? 0 : 20; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      return super.load(id, wanted);
    }
  }
  const executor = new Executor(new SlowFirstEntry(new MemoryConversationLog()), DEFAULT_LIMITS);
  await executor.execute([request(CREATE), request(add('bob'))]);
  const out = other({ op: 'member.remove', userId: 'bob' });
  const [again] = await executor.execute([request({ ...CREATE, actorId: 'bob' }), request(send(1)), request(out)]);
  assert.ok(again?.ok);
  assert.deepEqual([again.duplicate, again.activation?.listedThrough], [true, 2]);
});

test('what waited for a decision goes to the engine in one call, so that it sees what belongs together', async () => {
  const log = new SlowLog(new MemoryConversationLog());
  const executor = new Executor(log, DEFAULT_LIMITS);
  await executor.execute([request(CREATE)]);
  log.commits.splice(0);
  await executor.execute([request(add('bob')), request(other({ op: 'typing', active: true })), request(send(1))]);
  assert.deepEqual(
    log.commits.map((commits) => commits.length),
    [1, 2],
  );
});

test('that a reaction was there already is answered when the engine has confirmed it', async () => {
  const memory = new MemoryConversationLog();
  const react = other({ op: 'reaction.add', seq: 2, emoji: 'A' });
  await new Executor(memory, DEFAULT_LIMITS).execute([request(CREATE), request(send(1)), request(react)]);
  const failed = { status: 'failed', error: new ChatError('CHAT_ERR_NOT_DURABLE').toBody() } as const;
  // Replicas do not confirm, but a guard that does not hold is told all the same.
  const commit = async (commits: readonly Commit[]): Promise<CommitOutcome[]> =>
    (await memory.commit(commits)).map((outcome) => (outcome.status === 'refused' ? outcome : failed));
  const [result] = await new Executor({ ...wrap(memory), commit }, DEFAULT_LIMITS).execute([request(react)]);
  assert.ok(result?.ok === false && result.error.code === 'CHAT_ERR_NOT_DURABLE');
});

test('what waits for its turn when nobody waits for it any more is not carried out', async () => {
  const memory = new MemoryConversationLog();
  const executor = new Executor(new SlowLog(memory), DEFAULT_LIMITS);
  await executor.execute([request(CREATE)]);
  let isOver = false;
  const results = executor.execute(
    [request(add('bob')), request(send(1)), request(other({ op: 'member.remove', userId: 'bob' }))],
    undefined,
    () => isOver,
  );
  isOver = true;
  const codes = (await results).map((result) => (result.ok ? 'ok' : result.error.code));
  assert.deepEqual(codes, ['ok', 'CHAT_ERR_TIMEOUT', 'CHAT_ERR_TIMEOUT']);
  assert.equal((await memory.load(ID, {}))?.head, 2);
});

test('only so much waits for one conversation, and others are served', async () => {
  const memory = new MemoryConversationLog();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const held: ConversationLog = { ...wrap(memory), load: (...args) => opened.then(() => memory.load(...args)) };
  const executor = new Executor(held, DEFAULT_LIMITS);
  await executor.execute([request(CREATE)]);
  const many = executor.execute([request(add('bob')), ...Array.from({ length: 1001 }, (_, n) => request(send(n)))]);
  open();
  const results = await many;
  assert.equal(results.filter((result) => !result.ok && result.error.code === 'CHAT_ERR_OVERLOADED').length, 1);
  assert.equal(results.filter(({ ok }) => ok).length, 1001);
});

test('a conversation nobody made is not found, and who is no member learns no more', async () => {
  const executor = new Executor(new MemoryConversationLog(), DEFAULT_LIMITS);
  const update = other({ op: 'conversation.update', title: 'New', actorId: 'eve' });
  for (const command of [send(1), update]) {
    const [result] = await executor.execute([request(command)]);
    assert.ok(result?.ok === false && result.error.code === 'CHAT_ERR_CONVERSATION_NOT_FOUND');
  }
  await executor.execute([request(CREATE)]);
  for (const command of [send(1, 'eve'), update]) {
    const [result] = await executor.execute([request(command)]);
    assert.ok(result?.ok === false && result.error.code === 'CHAT_ERR_NOT_MEMBER');
  }
});

test('processes that change the same members at once agree: one owner, no more members than allowed, every event once', async () => {
  const users = ['ana', 'bob', 'cid', 'dan', 'eve'];
  const user = fc.constantFrom(...users);
  const command = fc.oneof(
    fc.record({
      op: fc.constant('member.add'),
      actorId: user,
      members: fc.array(fc.record({ userId: user, role: fc.constantFrom('member', 'admin') }), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('member.remove'), actorId: user, userId: user }),
    fc.record({ op: fc.constant('member.role'), actorId: user, userId: user, role: fc.constantFrom('owner', 'admin', 'member') }),
    fc.record({ op: fc.constant('conversation.update'), actorId: user, title: fc.constantFrom('A', 'B') }),
    user.map((actorId) => send(newEventId(), actorId)),
  );
  const limits = { ...DEFAULT_LIMITS, groupMaxMembers: 3 };
  const property = fc.asyncProperty(
    fc.array(fc.array(command, { maxLength: 6 }), { minLength: 2, maxLength: 3 }),
    fc.infiniteStream(fc.nat(3)),
    async (processes, turns) => {
      const memory = new MemoryConversationLog();
      await new Executor(memory, limits).execute([request(CREATE)]);
      const results = await Promise.all(
        processes.map((commands) => {
          const slow = new SlowLog(memory, () => turns.next().value as number);
          return new Executor(slow, limits).execute(commands.map((one) => request(other(one))));
        }),
      );
      for (const result of results.flat()) assert.ok(result.ok || result.error.code !== 'CHAT_ERR_INTERNAL', JSON.stringify(result));
      const seqs = results.flat().flatMap((result) => (result.ok && result.seq !== undefined ? [result.seq] : []));
      assert.equal(new Set(seqs).size, seqs.length, 'no two commands made the same event');
      const facts = await memory.load(ID, { roster: true });
      assert.ok(facts);
      const owners = (facts.roster ?? []).filter(([, { role }]) => role === 'owner');
      assert.equal(owners.length, facts.memberCount === 0 ? 0 : 1);
      assert.ok(facts.memberCount <= limits.groupMaxMembers);
    },
  );
  await fc.assert(property, { seed: 3, numRuns: 300 });
});

test('a reaction, and whatever else can be taken back, is not sent to the engine again when nobody knows whether it was carried out', async () => {
  const log = new SlowLog(new MemoryConversationLog());
  const executor = new Executor(log, DEFAULT_LIMITS);
  await executor.execute([request(CREATE), request(send(1))]);
  const repeatable = async (command: object) => {
    await executor.execute([request(other({ seq: 2, ...command }))]);
    return log.commits.at(-1)?.[0]?.repeatable;
  };
  assert.equal(await repeatable({ op: 'reaction.add', emoji: 'A' }), false);
  assert.equal(await repeatable({ op: 'reaction.remove', emoji: 'A' }), false);
  assert.equal(await repeatable({ op: 'typing', active: true }), false);
  assert.equal(await repeatable({ op: 'message.edit', text: 'new' }), false);
  assert.equal(await repeatable({ op: 'message.send', clientMessageId: 'm', text: 'text' }), true);
  assert.equal(await repeatable({ op: 'message.delete' }), true);
  assert.equal(await repeatable({ op: 'receipt.read' }), true);
});
