import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Bus } from '../../engine/bus.ts';
import type { ConversationLog } from '../../engine/conversation-log.ts';
import type { Engine } from '../../engine/engine.ts';
import type { Store } from '../../engine/store.ts';
import { Executor, type ExecutorOk, type ExecutorResult } from '../../messaging/executor.ts';
import { type ChatLimits, DEFAULT_LIMITS } from '../../messaging/rules/rule.ts';
import type { Command } from '../../shared/commands.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { decodeEvent } from '../../shared/event-text.ts';
import { directConversationId, groupConversationId, newEventId } from '../../shared/ids.ts';
import type { ConversationId, Role, UserId } from '../../shared/primitives.ts';
import { topics } from '../../shared/topics.ts';
import type { ManualClock } from '../helpers/manual-clock.ts';
import { TopicLog } from '../helpers/topic-log.ts';

/** An engine under test, on data of its own that is gone after the test. */
export interface ContractEngine {
  log: ConversationLog;
  store: Store;
  bus: Bus;
  /** The clock the engine was given. */
  clock: ManualClock;
  /** Closes the engine and opens it again on the same data. */
  reopen: () => Promise<Engine>;
  /** One more engine on the same data, as another process would have it. */
  another: () => Promise<Engine>;
}
export interface OpenOptions {
  limits?: Partial<ChatLimits>;
}
/** What not every engine has. */
export interface Features {
  /** Several processes may work on the same data at once: `another` works. */
  shared: boolean;
}
/** Opens an engine for one test and closes it in `t.after`. */
export type OpenEngine = (t: TestContext) => Promise<ContractEngine>;

type Loose<C> = C extends { op: string } ? Omit<C, 'conversationId'> & { conversationId?: ConversationId } : never;

/** One group or direct conversation, and the commands of its members. */
export class Room {
  readonly kit: Kit;
  readonly id: ConversationId;

  constructor(kit: Kit, id: ConversationId) {
    this.kit = kit;
    this.id = id;
  }

  run(command: Loose<Command>): Promise<ExecutorResult> {
    return this.kit.run({ conversationId: this.id, ...command } as Command);
  }

  async ok(command: Loose<Command>): Promise<ExecutorOk> {
    const result = await this.run(command);
    assert.ok(result.ok, `${command.op} failed with ${JSON.stringify(result)}`);
    return result;
  }

  async fails(command: Loose<Command>, code: ErrorCode): Promise<void> {
    const result = await this.run(command);
    assert.equal(result.ok ? 'ok' : result.error.code, code, `${command.op} by ${command.actorId}`);
  }

  /** Sends a text; answers with its seq in place. */
  async send(
    actorId: UserId,
    text: string,
    extra: { clientMessageId?: string; replyTo?: number } = {},
  ): Promise<ExecutorOk & { seq: number }> {
    const result = await this.ok({ op: 'message.send', actorId, clientMessageId: newEventId(), text, ...extra });
    assert.ok(result.seq !== undefined);
    return result as ExecutorOk & { seq: number };
  }

  /** The whole log, parsed. */
  async log(store: Store = this.kit.store) {
    const range = await store.readForward(this.id, 0, 1000);
    assert.ok(range);
    return range.events.map(decodeEvent);
  }

  /** The message at a seq as the log shows it now. */
  async message(seq: number) {
    const range = await this.kit.store.readForward(this.id, seq - 1, 1);
    const event = decodeEvent(range?.events[0] ?? assert.fail(`nothing at seq ${seq}`));
    assert.ok(event.event === 'message.created' && event.seq === seq);
    return event;
  }

  head(): Promise<number> {
    return this.kit.store.heads([this.id]).then(([head]) => head?.head ?? 0);
  }

  view(userId: UserId) {
    return this.kit.store.conversation(userId, this.id);
  }

  /** Tells nobody, but confirms an activation as messaging does after it told everyone. */
  async activate(members: readonly UserId[], until: number): Promise<void> {
    await this.kit.store.recordActivation(this.id, members, until);
    const [log] = await this.kit.store.heads([this.id]);
    assert.ok(log);
    await this.kit.executor.confirmActivation(this.id, { epoch: log.epoch, from: log.head, until, listedThrough: log.head });
  }

  topic(bus: Bus = this.kit.bus): Promise<TopicLog> {
    return TopicLog.open(bus, topics.conversation(this.id));
  }
}

/** An engine under test with the steps most tests share. */
export class Kit {
  readonly store: Store;
  /** Carries out commands as messaging does. */
  readonly executor: Executor;
  readonly bus: Bus;
  readonly clock: ManualClock;
  readonly engine: ContractEngine;
  readonly #limits: Partial<ChatLimits>;

  private constructor(engine: ContractEngine, limits: Partial<ChatLimits> = {}) {
    this.#limits = limits;
    this.executor = new Executor(engine.log, { ...DEFAULT_LIMITS, ...limits });
    this.engine = engine;
    this.store = engine.store;
    this.bus = engine.bus;
    this.clock = engine.clock;
  }

  static async open(t: TestContext, open: OpenEngine, options?: OpenOptions): Promise<Kit> {
    return new Kit(await open(t), options?.limits);
  }

  /** The same steps on another engine. */
  on(engine: Engine): Kit {
    return new Kit({ ...this.engine, log: engine.log, store: engine.store, bus: engine.bus }, this.#limits);
  }

  async run(command: Command): Promise<ExecutorResult> {
    const [result] = await this.executor.execute([{ command, eventId: newEventId(), at: this.clock.now() }]);
    assert.ok(result);
    return result;
  }

  /** A group; the first is its owner. `user:admin` names a role. */
  async group(...members: string[]): Promise<Room> {
    const room = new Room(this, groupConversationId('test'));
    const refs = members.map((member, i): { userId: UserId; role: Role } => {
      const [userId = '', role] = member.split(':');
      return { userId, role: i === 0 ? 'owner' : ((role ?? 'member') as Role) };
    });
    const actorId = refs[0]?.userId ?? '';
    await room.ok({ op: 'conversation.create', actorId, kind: 'group', title: 'Test', members: refs });
    return room;
  }

  async direct(a: UserId, b: UserId): Promise<Room> {
    const room = new Room(this, directConversationId(a, b));
    const members = [a, b].map((userId) => ({ userId, role: 'member' as const }));
    await room.ok({ op: 'conversation.create', actorId: a, kind: 'direct', members });
    return room;
  }

  /** A room of which only the name exists. */
  nowhere(): Room {
    return new Room(this, groupConversationId('test'));
  }
}

/** The codes of the results: `ok` or the error. */
export function codes(results: readonly ExecutorResult[]): string[] {
  return results.map((result) => (result.ok ? 'ok' : result.error.code));
}

/** The whole numbers from `from` to `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
