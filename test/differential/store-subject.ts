import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../../engine/engine.ts';
import type { FeedPointer, FeedPosition } from '../../engine/feed.ts';
import { openRedisEngine } from '../../engine/redis/engine.ts';
import { openEmbeddedEngine } from '../../engine/sqlite/engine.ts';
import { Executor, type ExecutorResult } from '../../messaging/executor.ts';
import { ChatError } from '../../shared/errors.ts';
import { topics } from '../../shared/topics.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { findRedisServer, RedisNode } from '../helpers/redis-server.ts';
import { TopicLog } from '../helpers/topic-log.ts';
import type { Activation, Limits, Question, Request, Result, Subject } from './subject.ts';

const MEMORY = '/dev/shm';
const POINTERS_PER_PAGE = 1000;

/** An engine as a subject. The one file that knows the port of the engines. */
class StoreSubject implements Subject {
  readonly name: string;
  readonly #clock: ManualClock;
  readonly #open: () => Promise<Engine>;
  readonly #limits: Limits;
  #engine: Engine;
  #executor: Executor;
  #topics = new Map<string, TopicLog>();
  #position: FeedPosition | undefined;
  #pointers: FeedPointer[] = [];

  private constructor(name: string, clock: ManualClock, limits: Limits, open: () => Promise<Engine>, engine: Engine) {
    this.name = name;
    this.#clock = clock;
    this.#open = open;
    this.#limits = limits;
    this.#engine = engine;
    this.#executor = new Executor(engine.log, limits);
  }

  static async open(name: string, limits: Limits, open: (clock: ManualClock) => Promise<Engine>): Promise<StoreSubject> {
    const clock = new ManualClock();
    const again = () => open(clock);
    return new StoreSubject(name, clock, limits, again, await again());
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  async begin(conversationIds: readonly string[]): Promise<void> {
    const { bus } = this.#engine;
    await Promise.all([...this.#topics.keys()].map((id) => bus.unsubscribe(topics.conversation(id))));
    const logs = await Promise.all(conversationIds.map((id) => TopicLog.open(bus, topics.conversation(id))));
    this.#topics = new Map(conversationIds.map((id, i) => [id, logs[i] as TopicLog]));
    await this.#readFeed();
    this.#pointers = [];
  }

  async reopen(): Promise<void> {
    await this.#engine.close();
    this.#engine = await this.#open();
    this.#executor = new Executor(this.#engine.log, this.#limits);
    const ids = [...this.#topics.keys()];
    this.#topics = new Map();
    await this.begin(ids);
  }

  setClock(now: number): void {
    this.#clock.set(now);
  }

  async run(requests: readonly Request[]): Promise<Result[]> {
    return (await this.#executor.execute(requests)).map(toResult);
  }

  recordActivation(conversationId: string, userIds: readonly string[], until: number): Promise<void> {
    return this.#engine.store.recordActivation(conversationId, userIds, until);
  }

  confirmActivation(conversationId: string, activation: Activation): Promise<number> {
    return this.#executor.confirmActivation(conversationId, activation);
  }

  async heard(conversationId: string): Promise<unknown[]> {
    const topic = this.#topics.get(conversationId);
    if (topic === undefined) return [];
    await topic.settled();
    return topic.payloads.splice(0).map((text) => JSON.parse(text));
  }

  async fed(conversationId: string): Promise<unknown[]> {
    const gap = await this.#readFeed();
    const pointers = this.#pointers.filter((pointer) => pointer.conversationId === conversationId);
    this.#pointers = this.#pointers.filter((pointer) => pointer.conversationId !== conversationId);
    return gap === undefined ? pointers : [gap, ...pointers];
  }

  /** Reads what came into the feed. Answers the gap that it found there, if any. */
  async #readFeed(): Promise<string | undefined> {
    let found: string | undefined;
    for (;;) {
      const { pointers, position, hasMore, gap } = await this.#engine.feed.read(0, this.#position, POINTERS_PER_PAGE);
      this.#position = position;
      this.#pointers.push(...pointers);
      found ??= gap;
      if (!hasMore) return found;
    }
  }

  async ask(question: Question): Promise<unknown> {
    try {
      return await this.#answer(question);
    } catch (error) {
      if (error instanceof ChatError) return { error: error.code };
      throw error;
    }
  }

  async #answer(question: Question): Promise<unknown> {
    const { store } = this.#engine;
    switch (question.ask) {
      case 'conversation':
        return store.conversation(question.userId, question.conversationId);
      case 'conversations':
        return store.conversations(question.userId, question);
      case 'members':
        return store.members(question.conversationId, question);
      case 'reads':
        return (await store.reads(question.conversationId)).sort(by(({ userId }) => userId));
      case 'log': {
        const range = await store.readForward(question.conversationId, question.after, question.limit, question.epoch);
        return range === undefined ? undefined : parsed(range);
      }
      case 'history':
        return parsed(await store.history(question));
      case 'sync':
        return (await store.sync(question)).map(parsed).sort(by(({ conversationId }) => conversationId));
      case 'joins': {
        const joins = await store.joins(question.joins, question.now);
        return joins.map((join) => ({ ...parsed(join), memberIds: join.memberIds.sort() }));
      }
      case 'heads':
        return store.heads(question.conversationIds);
      case 'active':
        return (await store.activeConversations(question.userId, question.now)).sort(by(({ conversationId }) => conversationId));
      case 'acquainted':
        return (await store.acquainted(question.userId, question.otherIds)).sort();
    }
  }
}

function toResult(result: ExecutorResult): Result {
  return result.ok ? result : { ok: false, code: result.error.code };
}

function parsed<P extends { events: string[] }>(page: P): Omit<P, 'events'> & { events: unknown[] } {
  return { ...page, events: page.events.map((text) => JSON.parse(text)) };
}

function by<T>(key: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => (key(a) < key(b) ? -1 : 1);
}

/** Both engines on data of their own, one pair for each of the limits. */
export interface Engines {
  /** The engines that were opened with these limits. */
  of(limits: Limits): Subject[];
  close(): Promise<void>;
}

/** Opens SQLite in a folder that is gone afterwards, and Redis, where there is a server program, on a server of its own. */
export async function openEngines(allLimits: readonly Limits[]): Promise<Engines> {
  // In memory where there is such a folder: the runs would mostly wait for the disk.
  const folder = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'connect-chat-differential-'));
  const server = findRedisServer() === undefined ? undefined : await RedisNode.start();
  const subjects = await Promise.all(
    allLimits.map(async (limits, i) => {
      const dataDir = join(folder, String(i));
      const sqlite = await StoreSubject.open('SQLite', limits, (clock) => openEmbeddedEngine({ dataDir, clock }));
      if (server === undefined) return [sqlite];
      const config = { REDIS_URL: server.url, REDIS_KEY_PREFIX: `${i}:` };
      return [sqlite, await StoreSubject.open('Redis', limits, (clock) => openRedisEngine(config, { clock, partitions: 1 }))];
    }),
  );
  return {
    of: (limits) => subjects[allLimits.indexOf(limits)] ?? [],
    async close() {
      await Promise.all(subjects.flat().map((subject) => subject.close()));
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
