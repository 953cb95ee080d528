import type { UserId } from '../shared/primitives.ts';

/** Receives what is published on a topic. Called synchronously, in publish order per publisher; must not throw. */
export type TopicHandler = (payload: Buffer) => void;

/** The ephemeral side of the system: topics and presence leases. May lose, repeat or reorder; the log is what counts. */
export interface Bus {
  /** Resolves once messages published from now on will arrive. One handler per topic; a second subscribe replaces it. */
  subscribe(topic: string, handler: TopicHandler): Promise<void>;
  unsubscribe(topic: string): Promise<void>;
  /** Best effort: resolves when handed over, and rejects only when the bus is known to be out of reach. */
  publish(topic: string, payload: string): Promise<void>;
  /** Called whenever messages may have been missed (connection lost and regained); every topic must be compared with its log. */
  onInterruption(listener: () => void): () => void;
  readonly presence: PresenceLeases;
  /** Resolves if the bus can be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The lease of a gateway, by the clock of the store: every process that asks gets the same answer, whatever its own clock says. */
export interface GatewayLease {
  gatewayId: string;
  /** Time left, ms. 0 or less: it has lapsed, and the gateway's users are offline. */
  remainingMs: number;
  /** When it ends or ended, Unix ms. */
  endsAt: number;
  /** When it began, Unix ms. Another value than before: it had lapsed, or the store had lost it. */
  since: number;
  /** Records of this gateway with a lower version are void. */
  floor: number;
}

/** A gateway says that a user is connected there or no longer is. Of two records of one gateway and user the higher version counts. */
export interface PresenceRecord {
  gatewayId: string;
  version: number;
  online: boolean;
}

export interface PresenceChange {
  userId: UserId;
  /** From a counter of the gateway. */
  version: number;
  online: boolean;
  /** When it happened, Unix ms by the clock of the gateway; users see it as `lastSeenAt`. */
  at: number;
}

/** What is stored of a user. */
export interface StoredPresence {
  userId: UserId;
  lastSeenAt?: number;
  records: PresenceRecord[];
}

/** That a user is offline is remembered for at least this long, ms, so that an older record that arrives late does not count. */
export const OFFLINE_KEPT_MS = 10 * 60_000;

/**
 * Who is online, kept as one lease a gateway instead of one a connection. A user is online while a gateway with a live lease has a record
 * that says so. A gateway that dies takes its users offline when its lease ends, and nothing is refreshed per user.
 *
 * Every call may be repeated, may fail although it was carried out, and may be carried out after it failed.
 */
export interface PresenceLeases {
  /**
   * Extends the lease to `ttlMs` from now and raises its floor; answers all leases that are remembered, its own included. Time in which
   * nobody could renew, since the store was away, takes nobody's lease.
   */
  renew(gatewayId: string, ttlMs: number, floor: number): Promise<GatewayLease[]>;
  /** Ends the lease now (drain). */
  release(gatewayId: string): Promise<void>;
  /** Stores the records that are newer than what is there. Answers the changes that may not have been stored: give them again. */
  set(gatewayId: string, changes: readonly PresenceChange[]): Promise<PresenceChange[]>;
  /** Leases and records; without the leases, or without some of the users, if those could not be read. */
  read(userIds: readonly UserId[]): Promise<{ leases: GatewayLease[] | undefined; users: StoredPresence[] }>;
}
