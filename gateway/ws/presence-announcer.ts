import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../../shared/clock.ts';
import type { Bus } from '../../shared/engine/bus.ts';
import type { UserId } from '../../shared/schemas/primitives.ts';
import { topics as topicNames } from '../../shared/schemas/topics.ts';

/**
 * Tells the world which users are connected here. A user that comes is announced with the next batch; one that goes only after a
 * grace, so that a phone changing cells does not flicker. One batch a tick, one lease a gateway, nothing per connection.
 */
export class PresenceAnnouncer {
  readonly #gatewayId: string;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  readonly #graceMs: number;
  /** Users with a connection here. */
  readonly #present = new Set<UserId>();
  readonly #announced = new Set<UserId>();
  #coming = new Set<UserId>();
  /** Users without a connection, and when the last one closed. In order of time. */
  readonly #leaving = new Map<UserId, number>();
  #sending = false;

  constructor(options: { gatewayId: string; bus: Bus; clock: Clock; log: FastifyBaseLogger; graceMs: number }) {
    this.#gatewayId = options.gatewayId;
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#graceMs = options.graceMs;
  }

  came(userId: UserId): void {
    this.#present.add(userId);
    this.#leaving.delete(userId);
    if (!this.#announced.has(userId)) this.#coming.add(userId);
  }

  went(userId: UserId): void {
    this.#present.delete(userId);
    this.#leaving.set(userId, this.#clock.now());
  }

  /** What was announced may be lost: everyone here is announced again. Resolves when that was tried, or will be with the next tick. */
  async reannounce(): Promise<void> {
    for (const userId of this.#present) {
      this.#announced.delete(userId);
      this.#coming.add(userId);
    }
    await this.tick();
  }

  /** Sends what changed. A failed batch is sent again at the next tick. */
  async tick(): Promise<void> {
    if (this.#sending) return;
    const now = this.#clock.now();
    const changes: { userId: UserId; online: boolean; at: number }[] = [];
    for (const [userId, wentAt] of this.#leaving) {
      if (wentAt > now - this.#graceMs) break;
      this.#leaving.delete(userId);
      // Came and went within a grace before it was announced: still worth its lastSeenAt.
      this.#coming.delete(userId);
      changes.push({ userId, online: false, at: wentAt });
    }
    const coming = this.#coming;
    this.#coming = new Set();
    for (const userId of coming) changes.push({ userId, online: true, at: now });
    if (changes.length === 0) return;
    this.#sending = true;
    try {
      await this.#bus.presence.set(this.#gatewayId, changes);
      for (const { userId, online } of changes) {
        if (online) {
          this.#announced.add(userId);
          continue;
        }
        this.#announced.delete(userId);
        // Came back while the batch was on its way.
        if (this.#present.has(userId)) this.#coming.add(userId);
      }
      await Promise.all(changes.map((change) => this.#bus.publish(topicNames.presence(change.userId), this.#message(change))));
    } catch (error) {
      this.#log.warn({ err: error }, 'presence could not be announced and will be tried again');
      for (const { userId, online, at } of changes) {
        if (this.#present.has(userId)) {
          if (online) this.#coming.add(userId);
        } else if (!online) {
          this.#leaving.set(userId, at);
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  #message({ userId, online, at }: { userId: UserId; online: boolean; at: number }): string {
    return JSON.stringify({ userId, gatewayId: this.#gatewayId, online, lastSeenAt: at });
  }
}
