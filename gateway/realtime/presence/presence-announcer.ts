import type { FastifyBaseLogger } from 'fastify';
import type { Bus, PresenceChange } from '../../../engine/bus.ts';
import type { UserId } from '../../../shared/primitives.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import { type PresenceTopicMessage, topics as topicNames } from '../../../shared/topics.ts';

/** Changes sent at once. With a tick every 200 ms this paces the crowd that is announced again after an interruption. */
const BATCH = 2000;
/** A change that is not confirmed after this time is sent again, ms. */
const RESEND_MS = 2000;

/**
 * Announces which users are connected here. A user who comes is announced with the next tick. A user who goes is announced after a grace,
 * so that a phone changing cells does not flicker. There is one batch a tick, and nothing per connection.
 *
 * A change waits here until it was stored and published, and is sent again as often as that takes. Its version makes repeats harmless.
 */
export class PresenceAnnouncer {
  readonly #gatewayId: string;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  readonly #graceMs: number;
  /** Users who are online here: connected, or in their grace. */
  readonly #online = new Set<UserId>();
  /** Users in their grace, and when their last connection closed. In order of time. */
  readonly #leaving = new Map<UserId, { since: number; at: number }>();
  readonly #unsent = new Map<UserId, PresenceChange>();
  /** In order of `resendAt`. */
  readonly #unconfirmed = new Map<UserId, { change: PresenceChange; resendAt: number }>();
  #version = 0;
  #floor = 0;
  /** Everybody who was online is being announced again with versions above `floor`; `left` are not confirmed yet. */
  #reannounced: { floor: number; left: Set<UserId> } | undefined;

  constructor(options: { gatewayId: string; bus: Bus; clock: Clock; log: FastifyBaseLogger; graceMs: number }) {
    this.#gatewayId = options.gatewayId;
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#graceMs = options.graceMs;
  }

  /** All records of this gateway below this version are void: everybody who is online has a newer one. */
  get floor(): number {
    return this.#floor;
  }

  came(userId: UserId): void {
    this.#leaving.delete(userId);
    if (this.#online.has(userId)) return;
    this.#online.add(userId);
    this.#change(userId, true, this.#clock.now());
  }

  went(userId: UserId): void {
    this.#leaving.set(userId, { since: this.#clock.monotonic(), at: this.#clock.now() });
  }

  /** The store may have lost what was announced, so everybody is announced again. After that the floor makes all earlier records void. */
  reannounce(): void {
    this.#reannounced = { floor: ++this.#version, left: new Set(this.#online) };
    const now = this.#clock.now();
    for (const userId of this.#online) this.#change(userId, true, now);
    this.#raiseFloor();
  }

  #change(userId: UserId, online: boolean, at: number): void {
    this.#unconfirmed.delete(userId);
    this.#unsent.set(userId, { userId, version: ++this.#version, online, at });
  }

  /** Sends what changed, and again what was not confirmed. */
  tick(): void {
    const now = this.#clock.monotonic();
    for (const [userId, { since, at }] of this.#leaving) {
      if (since > now - this.#graceMs) break;
      this.#leaving.delete(userId);
      this.#online.delete(userId);
      this.#change(userId, false, at);
    }
    for (const [userId, { change, resendAt }] of this.#unconfirmed) {
      if (resendAt > now) break;
      this.#unconfirmed.delete(userId);
      this.#unsent.set(userId, change);
    }
    const batch: PresenceChange[] = [];
    for (const [userId, change] of this.#unsent) {
      if (batch.length === BATCH) break;
      this.#unsent.delete(userId);
      this.#unconfirmed.set(userId, { change, resendAt: now + RESEND_MS });
      batch.push(change);
    }
    if (batch.length > 0) void this.#send(batch);
  }

  async #send(batch: readonly PresenceChange[]): Promise<void> {
    try {
      const failed = new Set(await this.#bus.presence.set(this.#gatewayId, batch));
      // Store first, then publish. A gateway that subscribes and then reads gets the message or the record.
      const published = await Promise.allSettled(
        batch
          // A late answer may be about a change that is over. A gateway that forgot the newer change would believe it.
          .filter((change) => !failed.has(change) && this.#waits(change))
          .map(async (change) => {
            await this.#bus.publish(topicNames.presence(change.userId), this.#message(change));
            this.#confirm(change);
          }),
      );
      const rejected = published.find((outcome) => outcome.status === 'rejected');
      if (rejected !== undefined) throw rejected.reason;
      if (failed.size > 0) throw new Error(`${failed.size} of ${batch.length} records were not stored`);
    } catch (error) {
      this.#log.warn({ err: error }, 'presence could not be announced and will be tried again');
    }
  }

  /** Whether a change is neither confirmed nor replaced by a newer one. */
  #waits({ userId, version }: PresenceChange): boolean {
    return this.#unconfirmed.get(userId)?.change.version === version || this.#unsent.get(userId)?.version === version;
  }

  #confirm({ userId, version }: PresenceChange): void {
    if (this.#unconfirmed.get(userId)?.change.version === version) this.#unconfirmed.delete(userId);
    if (this.#unsent.get(userId)?.version === version) this.#unsent.delete(userId);
    if (this.#reannounced === undefined || version <= this.#reannounced.floor) return;
    this.#reannounced.left.delete(userId);
    this.#raiseFloor();
  }

  #raiseFloor(): void {
    if (this.#reannounced === undefined || this.#reannounced.left.size > 0) return;
    this.#floor = this.#reannounced.floor;
    this.#reannounced = undefined;
  }

  #message({ userId, version, online, at }: PresenceChange): string {
    const message: PresenceTopicMessage = {
      userId,
      gatewayId: this.#gatewayId,
      version,
      online,
      ...(online ? {} : { lastSeenAt: at }),
    };
    return JSON.stringify(message);
  }
}
