import type { FastifyBaseLogger } from 'fastify';
import type { Bus } from '../../../engine/bus.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import { GatewayLeases } from './gateway-leases.ts';
import { PresenceAnnouncer } from './presence-announcer.ts';
import { PresenceWatch } from './presence-watch.ts';

export interface PresenceOptions {
  gatewayId: string;
  bus: Bus;
  clock: Clock;
  log: FastifyBaseLogger;
  leaseMs: number;
  graceMs: number;
}

export const TICK_MS = 200;

/**
 * Presence in this gateway: its lease, the users it announces, and the users somebody here watches.
 *
 * No part waits for another, and everything may come in any order. Records have versions, and answers of the store are numbered. A later
 * tick tries again what failed or got no answer. `docs/protocol.md`, section 9, promises what follows from that.
 */
export class Presence {
  readonly announcer: PresenceAnnouncer;
  readonly watch: PresenceWatch;
  readonly #options: PresenceOptions;
  readonly #leases: GatewayLeases;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { leaseMs } = options;
    // A lease has room for three renewals, each at most a tick late.
    const beatMs = Math.max(TICK_MS, leaseMs / 3 - TICK_MS);
    this.announcer = new PresenceAnnouncer(options);
    this.#leases = new GatewayLeases({
      ...options,
      presence: options.bus.presence,
      beatMs,
      floor: () => this.announcer.floor,
      onChange: () => this.watch.onLeasesChanged(),
      onBegin: () => this.announcer.reannounce(),
    });
    this.watch = new PresenceWatch({ ...options, leases: this.#leases, beatMs });
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
    this.tick();
  }

  /** Does what is due. */
  tick(): void {
    this.#leases.tick();
    this.announcer.tick();
    this.watch.tick();
  }

  /** The bus was away. The store may have lost what this gateway announced, and the bus what others did. */
  onInterruption(): void {
    this.#leases.request();
    this.announcer.reannounce();
    this.watch.reread();
    this.tick();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const { bus, gatewayId, log } = this.#options;
    await bus.presence.release(gatewayId).catch((error) => log.warn({ err: error }, 'presence lease not released'));
  }
}
