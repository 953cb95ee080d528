import type { FastifyBaseLogger } from 'fastify';
import type { Command, CommandOk, CommandResult } from '../../shared/commands.ts';
import { ChatError, type ErrorBody } from '../../shared/errors.ts';
import {
  ACTIVE_USERS,
  type ActiveConversation,
  type ActiveOfUser,
  INTERNAL_API,
  type InternalApi,
  type InternalCall,
  PING_PATH,
  SYNC_USERS,
  type SyncConversation,
  type SyncOfUser,
  type UserSync,
} from '../../shared/internal.ts';
import type { UserId } from '../../shared/primitives.ts';
import { type Clock, systemClock } from '../../shared/service/clock.ts';
import { ConfigError } from '../../shared/service/config.ts';
import { ServiceTokenSigner } from '../../shared/service/service-token.ts';
import { sleep } from '../../shared/service/timers.ts';
import type { GatewayConfig } from '../config.ts';
import { CallFailure } from './call-failure.ts';
import { type BreakerState, CircuitBreaker } from './circuit-breaker.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { Answer } from './exchange.ts';
import type { MessagingApi, PlainCall } from './messaging-api.ts';
import { ReadBatcher } from './read-batcher.ts';
import { isRepeatableCall } from './repeatable.ts';
import { RetryBudget } from './retry-budget.ts';
import { ShardedQueue } from './sharded-queue.ts';

export type MessagingClientConfig = Pick<
  GatewayConfig,
  | 'MESSAGING_URL'
  | 'MESSAGING_CONNECTIONS'
  | 'MESSAGING_CONNECTION_MAX_AGE_MS'
  | 'MESSAGING_PING_MS'
  | 'MESSAGING_TIMEOUT_MS'
  | 'MESSAGING_QUEUE'
  | 'MESSAGING_BATCH'
  | 'SERVICE_TOKEN_SECRET'
>;

export interface MessagingClientOptions {
  config: MessagingClientConfig;
  /** Names this gateway in its service tokens. */
  gatewayId: string;
  log: FastifyBaseLogger;
  clock?: Clock;
  /** PEM of the authority of an https:// messaging service; the system's when left out. */
  ca?: string;
}

/** What the client has done and is doing, for metrics. Counters since the start. */
export interface MessagingClientStats {
  queueDepth: number;
  callsInFlight: number;
  connectionsOpen: number;
  breaker: BreakerState;
  calls: number;
  retries: number;
  timeouts: number;
  failures: number;
}

/**
 * Shards of the command queue. Measured with 40 commands outstanding, CPU of both sides a command: 1 shard 25 µs, 2 shards 38, 4 shards 46, 8 shards
 * 90; with 2,000, 10 µs whatever the number of shards. Four keep a slow batch, such as one that activates a large group, from holding up more than a
 * quarter of the conversations.
 */
const SHARDS = 4;
/** Calls of one kind of read in flight; one of them may be long. */
const READ_CALLS = 4;
/** Cursors in one sync call, of about 100 characters each, and cursors that may wait. */
const SYNC_CURSORS = 20_000;
const WAITING_CURSORS = 1_000_000;
const ATTEMPTS = 3;
const CONNECT_TIMEOUT_MS = 2000;
const BREAKER_FAILURES = 5;
const BREAKER_OPEN_MS = 1000;
const RETRY_PAUSE_MS = 20;
/** A line of an answer to commands that comes in parts: results with the places of their commands. */
interface CommandPart {
  results: [number, CommandResult][];
}
const OURS: ReadonlySet<string> = new Set(['CHAT_ERR_UNAUTHORIZED', 'CHAT_ERR_NOT_FOUND']);

/** The gateway's way to the messaging service. */
export class MessagingClient implements MessagingApi {
  readonly #pool: ConnectionPool;
  readonly #breaker: CircuitBreaker;
  readonly #commands: ShardedQueue;
  readonly #active: ReadBatcher<UserId, ActiveOfUser>;
  readonly #sync: ReadBatcher<UserSync, SyncOfUser>;
  readonly #budget = new RetryBudget();
  readonly #timeoutMs: number;
  readonly #callLimit: number;
  readonly #counts = { calls: 0, retries: 0, timeouts: 0, failures: 0 };
  #inFlight = 0;
  #closed = false;
  #onRefusal: (refused: boolean) => void = () => {};

  /** Begins to connect at once. */
  constructor({ config, gatewayId, log, clock = systemClock, ca }: MessagingClientOptions) {
    const secret = config.SERVICE_TOKEN_SECRET;
    if (secret === undefined) throw new ConfigError('SERVICE_TOKEN_SECRET is not set, but calls to messaging are signed with it');
    const signer = new ServiceTokenSigner({ secret, issuer: gatewayId, clock });
    this.#timeoutMs = config.MESSAGING_TIMEOUT_MS;
    this.#callLimit = config.MESSAGING_QUEUE;
    this.#breaker = new CircuitBreaker({
      threshold: BREAKER_FAILURES,
      openMs: BREAKER_OPEN_MS,
      clock,
      onOpen: (again) => {
        // The pool has already logged that messaging is unreachable.
        if (!again && this.#pool.reachable) log.warn('messaging leaves calls unanswered: failing them at once until it answers again');
        this.#pool.callOffWaiting(this.#unavailable());
      },
    });
    this.#pool = new ConnectionPool({
      origin: new URL(config.MESSAGING_URL).origin,
      connections: config.MESSAGING_CONNECTIONS,
      maxAgeMs: config.MESSAGING_CONNECTION_MAX_AGE_MS,
      pingMs: config.MESSAGING_PING_MS,
      connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, this.#timeoutMs),
      retireMs: this.#timeoutMs + 1000,
      authorization: () => `Bearer ${signer.current()}`,
      clock,
      log,
      onFailure: () => this.#breaker.failure(),
      onRefusal: (refused) => {
        if (refused) this.#pool.callOffWaiting(this.#unavailable());
        this.#onRefusal(refused);
      },
      ...(ca === undefined ? {} : { ca }),
    });
    this.#commands = new ShardedQueue({
      shards: SHARDS,
      batch: config.MESSAGING_BATCH,
      queue: config.MESSAGING_QUEUE,
      send: async (body, repeatable, onPart) => {
        const onLine = (line: string) => onPart((JSON.parse(line) as CommandPart).results);
        const answer = await this.#request('POST', INTERNAL_API.commands.path, body, repeatable, onLine);
        return answer.body === '' ? [] : (parse(answer) as { results: CommandResult[] }).results;
      },
    });
    const reads = { calls: READ_CALLS, queue: config.MESSAGING_QUEUE, waitMs: this.#timeoutMs };
    this.#active = new ReadBatcher({
      ...reads,
      batch: ACTIVE_USERS,
      batchWeight: ACTIVE_USERS,
      queueWeight: config.MESSAGING_QUEUE,
      weigh: () => 1,
      send: async (userIds) => (await this.#call('active', { userIds })).users,
    });
    this.#sync = new ReadBatcher({
      ...reads,
      batch: SYNC_USERS,
      batchWeight: SYNC_CURSORS,
      queueWeight: WAITING_CURSORS,
      weigh: ({ cursors }) => 1 + Object.keys(cursors).length,
      send: async (users) => (await this.#call('sync', { users })).users,
    });
  }

  call<N extends PlainCall>(name: N, request: InternalApi[N]['request']): Promise<InternalApi[N]['response']> {
    return this.#call(name, request);
  }

  async active(userId: UserId): Promise<ActiveConversation[]> {
    return (await this.#active.ask(userId)).conversations;
  }

  async sync(request: UserSync): Promise<SyncConversation[]> {
    return (await this.#sync.ask(request)).conversations;
  }

  async #call<N extends InternalCall>(name: N, request: InternalApi[N]['request']): Promise<InternalApi[N]['response']> {
    if (this.#closed) throw new ChatError('CHAT_ERR_DRAINING');
    const answer = await this.#request('POST', INTERNAL_API[name].path, JSON.stringify(request), isRepeatableCall(name, request));
    return parse(answer) as InternalApi[N]['response'];
  }

  execute(command: Command): Promise<CommandOk> {
    return this.#commands.execute(command);
  }

  get queueDepth(): number {
    return this.#commands.depth;
  }

  get stats(): MessagingClientStats {
    return {
      ...this.#counts,
      queueDepth: this.#commands.depth,
      callsInFlight: this.#inFlight,
      connectionsOpen: this.#pool.open,
      breaker: this.#breaker.state,
    };
  }

  onRefusal(listener: (refused: boolean) => void): void {
    this.#onRefusal = listener;
    if (this.#pool.refused) listener(true);
  }

  async ready(): Promise<void> {
    if (this.#closed) throw new ChatError('CHAT_ERR_DRAINING');
    if (this.#pool.refused) throw new ChatError('CHAT_ERR_UNAVAILABLE', 'messaging does not accept the service token of this gateway');
    parse(await this.#request('GET', PING_PATH, null, true));
  }

  /** Commands already taken are answered first; connections close when their calls have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#commands.close();
    await this.#pool.close();
  }

  async #request(
    method: 'GET' | 'POST',
    path: string,
    body: string | null,
    repeatable: boolean,
    onPart?: (line: string) => void,
  ): Promise<Answer> {
    if (this.#inFlight >= this.#callLimit) throw new ChatError('CHAT_ERR_OVERLOADED', undefined, { retryAfterMs: BREAKER_OPEN_MS });
    // There is no connection to probe on, so waiting for one would only delay the caller.
    if ((this.#breaker.state !== 'closed' || this.#pool.refused) && this.#pool.open === 0) throw this.#unavailable();
    const permit = this.#breaker.enter();
    if (permit === undefined) throw this.#unavailable();
    this.#counts.calls += 1;
    this.#inFlight += 1;
    try {
      const answer = await this.#attempts(method, path, body, repeatable, onPart);
      permit.succeeded();
      this.#budget.earn();
      return answer;
    } catch (error) {
      this.#counts.failures += 1;
      permit.failed();
      throw error;
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #attempts(
    method: 'GET' | 'POST',
    path: string,
    body: string | null,
    repeatable: boolean,
    onPart?: (line: string) => void,
  ): Promise<Answer> {
    const deadline = performance.now() + this.#timeoutMs;
    const left = (): number => Math.max(deadline - performance.now(), 1);
    for (let attempt = 1; ; attempt++) {
      const connection = this.#pool.pick() ?? (await this.#waitForConnection(left()));
      try {
        const answer = await connection.send(method, path, body, left(), onPart);
        if (answer.status !== 401) return answer;
        this.#pool.refuse(connection, answer.date);
        throw new CallFailure('CHAT_ERR_UNAVAILABLE', 'unsent', { cause: new Error('messaging answered 401') });
      } catch (error) {
        const failure = error as CallFailure;
        if (failure.code === 'CHAT_ERR_TIMEOUT') {
          this.#counts.timeouts += 1;
          if (this.#pool.suspect(connection)) this.#breaker.failure();
          throw failure;
        }
        const again = failure.outcome === 'unsent' || (repeatable && this.#budget.spend());
        const pause = RETRY_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
        if (!again || attempt >= ATTEMPTS || pause >= left()) throw failure;
        this.#counts.retries += 1;
        await sleep(pause);
      }
    }
  }

  async #waitForConnection(timeoutMs: number) {
    try {
      return await this.#pool.whenOpen(timeoutMs);
    } catch (error) {
      if ((error as ChatError).code === 'CHAT_ERR_TIMEOUT') {
        this.#counts.timeouts += 1;
        this.#breaker.failure();
      }
      throw error;
    }
  }

  #unavailable(): CallFailure {
    return new CallFailure('CHAT_ERR_UNAVAILABLE', 'unsent', { retryAfterMs: Math.ceil(this.#breaker.retryAfterMs) });
  }
}

function parse({ status, body }: Answer): unknown {
  if (status === 204) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    throw new ChatError('CHAT_ERR_UNAVAILABLE', 'messaging gave an answer that is not JSON', { cause: error });
  }
  if (status === 200) return parsed;
  const error = (parsed as { error?: ErrorBody }).error;
  // If messaging does not know a token or a path, the fault is ours and not that of the user.
  if (error === undefined || OURS.has(error.code))
    throw new ChatError('CHAT_ERR_UNAVAILABLE', undefined, { cause: new Error(`messaging answered ${status}`) });
  throw ChatError.fromBody(error);
}
