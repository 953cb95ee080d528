import type { FastifyBaseLogger } from 'fastify';
import type { Bus, PresenceLeases, TopicHandler } from '../../engine/bus.ts';
import { Presence, TICK_MS } from '../../gateway/realtime/presence/presence.ts';
import type { PresenceView, Watcher } from '../../gateway/realtime/presence/presence-watch.ts';
import { PresenceStore } from './presence-store.ts';

export const LEASE_MS = 6000;
export const GRACE_MS = 500;

/** What becomes of one call or message. */
export interface Fate {
  /** `partly`: a call about several users is carried out for the first of them only. */
  outcome: 'ok' | 'refused' | 'unanswered' | 'partly';
  /** Until it is carried out, or arrives. */
  effectMs: number;
  /** From then until the answer. */
  answerMs: number;
}

const GOOD: Fate = { outcome: 'ok', effectMs: 1, answerMs: 1 };
/** A call that is never answered fails after this long, as the engines promise. */
const DEADLINE_MS = 5000;
const FAILURE = new Error('out of reach');
const SILENT = { warn: () => {} } as unknown as FastifyBaseLogger;

interface Happening {
  at: number;
  order: number;
  run: () => void;
}

/** Gateways with real presence classes, on a modelled bus and store, in virtual time. */
export class World {
  readonly store = new PresenceStore(() => this.time);
  readonly gateways: (Gateway | undefined)[] = [undefined, undefined, undefined];
  readonly #fates: readonly Fate[];
  #nextFate = 0;
  readonly #events: Happening[] = [];
  #order = 0;
  /** Effects that are on their way; they have all happened when the network is right. */
  readonly #effects = new Set<() => void>();
  #started = 0;
  /** What no watcher may ever be told. */
  readonly violations: string[] = [];
  time = 1_000_000;
  /** The network is right: at first, and again at the end. */
  calm = true;

  constructor(fates: readonly Fate[], skews: readonly number[]) {
    this.#fates = fates;
    for (const i of this.gateways.keys()) this.start(i, skews[i] ?? 0);
  }

  start(i: number, skewMs = 0): void {
    if (this.gateways[i] !== undefined) return;
    const gateway = new Gateway(this, `g${i}-${++this.#started}`, skewMs);
    this.gateways[i] = gateway;
    const tick = () => {
      if (!gateway.alive) return;
      if (!gateway.paused) gateway.presence.tick();
      this.in(TICK_MS, tick);
    };
    tick();
  }

  in(ms: number, run: () => void): void {
    this.#events.push({ at: this.time + ms, order: this.#order++, run });
  }

  fate(): Fate {
    return this.calm ? GOOD : (this.#fates[this.#nextFate++ % this.#fates.length] ?? GOOD);
  }

  /** Something that happens on the other side of the network. */
  effect(ms: number, run: () => void): void {
    const once = () => {
      if (this.#effects.delete(once)) run();
    };
    this.#effects.add(once);
    this.in(ms, once);
  }

  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      let next: Happening | undefined;
      for (const event of this.#events) {
        if (next === undefined || event.at < next.at || (event.at === next.at && event.order < next.order)) next = event;
      }
      if (next === undefined || next.at > end) break;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.time = next.at;
      next.run();
      await settled();
    }
    this.time = end;
  }

  publish(topic: string, payload: string): void {
    for (const gateway of this.gateways) {
      if (gateway === undefined) continue;
      const { outcome, effectMs } = this.fate();
      // A cut that nobody notices, for as long as one message.
      const lost = outcome === 'refused';
      if (lost) {
        gateway.missed = true;
        this.in(effectMs, () => gateway.interrupt());
      } else this.effect(effectMs, () => gateway.deliver(topic, payload));
    }
  }

  /** A failover to a replica that lags by so much. */
  rollBack(ms: number): void {
    this.store.rollBack(ms);
    for (const gateway of this.gateways) {
      if (gateway === undefined) continue;
      gateway.missed = true;
      gateway.interrupt();
    }
  }

  /** The network, the processes and the clocks are right. */
  async becomeRight(): Promise<void> {
    this.calm = true;
    for (const effect of [...this.#effects]) {
      effect();
      await settled();
    }
    for (const gateway of this.gateways) {
      if (gateway === undefined) continue;
      gateway.skewMs = 0;
      gateway.resume();
      gateway.cut = undefined;
      if (gateway.missed) gateway.interrupt();
    }
  }
}

/** Microtasks have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Gateway {
  readonly id: string;
  readonly presence: Presence;
  readonly watchers: readonly ModelWatcher[];
  /** Users with a connection here. */
  readonly connected = new Set<string>();
  readonly #world: World;
  readonly #handlers = new Map<string, { handler: TopicHandler; live: boolean }>();
  #waiting: (() => void)[] = [];
  alive = true;
  paused = false;
  /** The network: silent cuts swallow, loud ones refuse. */
  cut: 'silent' | 'loud' | undefined;
  /** Messages were lost and nobody has noticed. */
  missed = false;
  skewMs: number;

  constructor(world: World, id: string, skewMs: number) {
    this.#world = world;
    this.id = id;
    this.skewMs = skewMs;
    this.watchers = [new ModelWatcher(world.violations), new ModelWatcher(world.violations)];
    const clock = { now: () => world.time + this.skewMs, monotonic: () => world.time };
    this.presence = new Presence({ gatewayId: id, bus: this.#bus(), clock, log: SILENT, leaseMs: LEASE_MS, graceMs: GRACE_MS });
  }

  resume(): void {
    this.paused = false;
    for (const run of this.#waiting.splice(0)) run();
  }

  /** Runs in this process: later while it is paused, never once it is dead. */
  #here(run: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.#waiting.push(run);
    else run();
  }

  interrupt(): void {
    this.#here(() => {
      if (this.cut !== undefined) return;
      this.missed = false;
      this.presence.onInterruption();
    });
  }

  deliver(topic: string, payload: string): void {
    if (this.cut !== undefined) this.missed = true;
    else if (this.#handlers.get(topic)?.live) this.#here(() => this.#handlers.get(topic)?.handler(Buffer.from(payload)));
  }

  #call<T>(run: (partly: boolean) => T): Promise<T> {
    const world = this.#world;
    const fate = world.fate();
    return new Promise((resolve, reject) => {
      const fail = (ms: number) => world.in(ms, () => this.#here(() => reject(FAILURE)));
      if (this.cut === 'loud' || fate.outcome === 'refused') fail(1);
      else if (this.cut === 'silent') fail(DEADLINE_MS);
      else {
        if (fate.outcome === 'unanswered') fail(Math.min(fate.answerMs, DEADLINE_MS));
        world.effect(fate.effectMs, () => {
          const result = run(fate.outcome === 'partly');
          if (fate.outcome !== 'unanswered') world.in(fate.answerMs, () => this.#here(() => resolve(result)));
        });
      }
    });
  }

  #bus(): Bus {
    const { store } = this.#world;
    const part = <T>(all: readonly T[], partly: boolean) => (partly ? all.slice(0, Math.floor(all.length / 2)) : all);
    const presence: PresenceLeases = {
      renew: (...args) => this.#call(() => store.renew(...args)),
      release: (...args) => this.#call(() => store.release(...args)),
      set: (gatewayId, changes) =>
        this.#call((partly) => {
          const stored = part(changes, partly);
          store.set(gatewayId, stored);
          return changes.slice(stored.length);
        }),
      read: (userIds) => this.#call((partly) => store.read(part(userIds, partly), partly)),
    };
    return {
      presence,
      subscribe: (topic, handler) => {
        this.#handlers.set(topic, { handler, live: false });
        return this.#call(() => {
          const subscription = this.#handlers.get(topic);
          if (subscription?.handler === handler) subscription.live = true;
        });
      },
      unsubscribe: async (topic) => void this.#handlers.delete(topic),
      publish: (topic, payload) => this.#call(() => this.#world.publish(topic, payload)),
      onInterruption: () => () => {},
      ping: async () => {},
      close: async () => {},
    };
  }
}

/** A connection that watches, and checks what it is told. */
export class ModelWatcher implements Watcher {
  watching: Set<string> | undefined;
  background = false;
  readonly #violations: string[];
  /** What it was told last of each user it watches. */
  readonly told = new Map<string, PresenceView>();

  constructor(violations: string[]) {
    this.#violations = violations;
  }

  /** Answered: from here on it is told of changes. */
  answered(views: readonly PresenceView[]): void {
    for (const view of views) this.told.set(view.userId, view);
  }

  send({ userId, online, lastSeenAt }: PresenceView): void {
    const before = this.told.get(userId);
    const seen = lastSeenAt ?? before?.lastSeenAt;
    if (before === undefined) this.#violations.push(`told of ${userId} before the answer`);
    else if (before.online === online) this.#violations.push(`told twice that ${userId} is ${online ? 'online' : 'offline'}`);
    if ((before?.lastSeenAt ?? 0) > (seen ?? 0)) this.#violations.push(`lastSeenAt of ${userId} went back`);
    this.told.set(userId, seen === undefined ? { userId, online } : { userId, online, lastSeenAt: seen });
  }
}
