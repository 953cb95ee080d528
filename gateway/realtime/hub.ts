import type { Socket } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import type { Registry } from 'prom-client';
import type { WebSocket } from 'ws';
import type { Bus } from '../../engine/bus.ts';
import type { SessionStore } from '../../engine/store.ts';
import type { Limits } from '../../shared/frames.ts';
import { newConnectionId, newGatewayId } from '../../shared/ids.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { RepeatingTimers } from '../../shared/service/timers.ts';
import type { GatewayConfig } from '../config.ts';
import type { MessagingApi } from '../messaging-client/messaging-api.ts';
import { Reconciler } from './delivery/reconciler.ts';
import { TopicJoiner } from './delivery/topic-joiner.ts';
import { TopicRegistry } from './delivery/topic-registry.ts';
import { TopicRepair } from './delivery/topic-repair.ts';
import { type LocalUser, UserDirectory } from './delivery/user-directory.ts';
import { UserInbox } from './delivery/user-inbox.ts';
import { type FrameContext, FrameReader } from './frames/index.ts';
import { RealtimeMetrics } from './metrics.ts';
import { Presence } from './presence/presence.ts';
import { Connection, type ConnectionClaims, type ConnectionContext, type TokenVerifier } from './transport/connection.ts';
import { Drain } from './transport/drain.ts';
import { FlushScheduler } from './transport/flush-scheduler.ts';
import { HeartbeatWheel } from './transport/heartbeat-wheel.ts';

export interface HubOptions {
  config: GatewayConfig;
  bus: Bus;
  sessions: SessionStore;
  messaging: MessagingApi;
  tokens: TokenVerifier;
  clock: Clock;
  log: FastifyBaseLogger;
  registry: Registry;
}

/** Between two sweeps of topics that nobody follows, ms. */
const SWEEP_MS = 5000;
/** How often a share of the users is reconciled, ms. */
const RECONCILE_MS = 1000;

/** All live connections of this gateway, and what they follow. */
export class Hub {
  readonly gatewayId = newGatewayId();
  readonly metrics: RealtimeMetrics;
  readonly limits: Limits;
  readonly #options: HubOptions;
  readonly #users = new UserDirectory();
  readonly #connections = new Set<Connection>();
  readonly #context: ConnectionContext;
  readonly #wheel: HeartbeatWheel;
  readonly #repair: TopicRepair;
  readonly #topics: TopicRegistry;
  readonly #joiner: TopicJoiner;
  readonly #inbox: UserInbox;
  readonly #reconciler: Reconciler;
  readonly #presence: Presence;
  readonly #reader: FrameReader;
  readonly #drain: Drain;
  readonly #timers = new RepeatingTimers();
  #stopListening: (() => void) | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
    const { config, bus, clock, log, messaging } = options;
    const scheduler = new FlushScheduler();
    this.metrics = new RealtimeMetrics(options.registry);
    this.limits = {
      frameBytes: config.WS_FRAME_BYTES,
      framesPerSecond: config.WS_FRAMES_PER_SECOND,
      frameBurst: config.WS_FRAME_BURST,
      textBytes: 8192,
      topics: config.WS_TOPICS,
      watchedUsers: config.WS_WATCHED_USERS,
    };
    this.#context = {
      scheduler,
      clock,
      limitBytes: config.WS_SEND_BUFFER_BYTES,
      framesPerSecond: config.WS_FRAMES_PER_SECOND,
      frameBurst: config.WS_FRAME_BURST,
      tokenLifeMs: config.JWT_ACCESS_SECONDS * 1000,
      expiryWarningMs: Math.max(config.WS_HEARTBEAT_MS * 1.5, Math.min(60_000, (config.JWT_ACCESS_SECONDS * 1000) / 3)),
      onSlowConsumer: () => this.metrics.slowConsumers.inc(),
      detach: (connection) => this.#detach(connection),
    };
    this.#wheel = new HeartbeatWheel(config.WS_HEARTBEAT_MS, config.WS_PONG_TIMEOUT_MS);
    this.#repair = new TopicRepair(messaging, this.metrics, log);
    this.#topics = new TopicRegistry({ bus, clock, log, repair: this.#repair, metrics: this.metrics, scheduler });
    this.#joiner = new TopicJoiner({ messaging, topics: this.#topics, metrics: this.metrics, log, topicsPerConnection: config.WS_TOPICS });
    this.#topics.rejoin = (topic, join) => this.#joiner.rejoin(topic, join);
    this.#topics.onRemoved = (topic, connections, place) => {
      for (const connection of connections) {
        // The user may have been let in again already: the topic has read only up to here.
        connection.remember(topic.id, { place, origin: 'given' });
        this.#joiner.followFrom(connection, topic.id, place, topic.until);
      }
    };
    this.#inbox = new UserInbox({ users: this.#users, bus, sessions: options.sessions, messaging, joiner: this.#joiner, clock, log });
    this.#reconciler = new Reconciler({ users: this.#users, sessions: options.sessions, messaging, joiner: this.#joiner, clock, log });
    const { PRESENCE_LEASE_MS: leaseMs, PRESENCE_GRACE_MS: graceMs } = config;
    this.#presence = new Presence({ gatewayId: this.gatewayId, bus, clock, log, leaseMs, graceMs });
    this.#drain = new Drain(this.#connections, log);
    const frames: FrameContext = {
      messaging,
      clock,
      log,
      config,
      metrics: this.metrics,
      tokens: options.tokens,
      users: this.#users,
      topics: this.#topics,
      joiner: this.#joiner,
      presence: this.#presence.watch,
    };
    this.#reader = new FrameReader(frames);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get draining(): boolean {
    return this.#drain.started;
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  start(): void {
    const { config, bus, clock } = this.#options;
    this.#stopListening = bus.onInterruption(() => void this.#onInterruption());
    this.#timers.every(this.#wheel.tickMs, () => this.#wheel.tick(clock.monotonic()));
    this.#timers.every(SWEEP_MS, () => this.#topics.sweepEmpty());
    this.#timers.every(RECONCILE_MS, () => void this.#reconciler.reconcilePart(RECONCILE_MS));
    this.#timers.jittered(config.WS_REPAIR_MS, () => this.#compareAll());
    this.#presence.start();
  }

  /** Takes over an accepted socket. Synchronous, so that not even a frame that came with the upgrade is lost. */
  open(claims: ConnectionClaims, ws: WebSocket, socket: Socket): Connection {
    const connection = new Connection(this.#context, newConnectionId(), claims, ws, socket);
    this.#connections.add(connection);
    this.#wheel.add(connection);
    const { user, first } = this.#users.add(connection);
    this.#replaceOldest(connection, user);
    connection.send({
      type: 'welcome',
      connectionId: connection.id,
      userId: claims.userId,
      sessionId: claims.sessionId,
      heartbeatMs: this.#options.config.WS_HEARTBEAT_MS,
      limits: this.limits,
      serverTime: this.#options.clock.now(),
    });
    if (first) {
      this.#inbox.open(user);
      this.#presence.announcer.came(user.userId);
    }
    this.#inbox.recheckSession(connection, user);
    this.metrics.connections.set(this.#connections.size);
    this.metrics.users.set(this.#users.size);
    return connection;
  }

  #replaceOldest(connection: Connection, user: LocalUser): void {
    const ofSession = user.connections.filter(({ sessionId }) => sessionId === connection.sessionId);
    if (ofSession.length > this.#options.config.WS_CONNECTIONS_PER_SESSION) ofSession[0]?.close('replaced');
  }

  receive(connection: Connection, data: Buffer, isBinary: boolean): void {
    this.#reader.read(connection, data, isBinary);
  }

  #detach(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.#wheel.remove(connection);
    for (const topic of connection.topics ?? []) topic.leave(connection);
    if (connection.watching !== undefined) this.#presence.watch.unwatch(connection, [...connection.watching]);
    if (this.#users.remove(connection)) {
      this.#presence.announcer.went(connection.userId);
      this.#inbox.close(connection.userId);
    }
    this.metrics.connections.set(this.#connections.size);
    this.metrics.users.set(this.#users.size);
  }

  async #compareAll(): Promise<void> {
    try {
      await this.#repair.compare(this.#topics.all(), (topic, head) => this.#topics.releaseIfInactive(topic, head));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'comparing heads will be tried again');
    }
  }

  /** The bus was away. It may have lost anything, so everything is read again: logs, activations, presence, revocations. */
  async #onInterruption(): Promise<void> {
    this.#presence.onInterruption();
    // Side by side: a lost message does not wait for a revocation, nor a revocation for a lost message.
    await Promise.all([this.#compareAll(), this.#reconciler.reconcileAll()]);
  }

  /** Sends all clients elsewhere, spread over the window. Resolves when all have gone or were told to go. */
  async drain(windowMs: number): Promise<void> {
    await this.#drain.run(windowMs);
  }

  /** This gateway cannot serve now: sends all clients elsewhere, spread over the window, and accepts none until `takeBack`. */
  async leave(windowMs: number): Promise<void> {
    await this.#drain.leave(windowMs);
  }

  takeBack(): void {
    this.#drain.takeBack();
  }

  async close(): Promise<void> {
    this.#timers.stop();
    this.#stopListening?.();
    this.#repair.close();
    for (const connection of [...this.#connections]) connection.close('draining');
    await this.#presence.close();
  }
}
