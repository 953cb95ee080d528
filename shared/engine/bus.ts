import type { UserId } from '../schemas/primitives.ts';

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

/** Whether a user is reachable, and when last. */
export interface Presence {
  userId: UserId;
  online: boolean;
  lastSeenAt?: number;
  /** Gateways that hold a connection of the user. */
  gatewayIds: string[];
}

/**
 * Who is online, kept as one lease a gateway instead of one a connection: a user is online while a gateway that names it has a live
 * lease, so a gateway that dies takes its users offline when its lease ends, and nothing is refreshed per user.
 */
export interface PresenceLeases {
  /** Extends this gateway's lease; answers the gateways alive at `now`. */
  renew(gatewayId: string, now: number, ttlMs: number): Promise<string[]>;
  /** Ends this gateway's lease at once (drain). */
  release(gatewayId: string): Promise<void>;
  /** The users' first connection on this gateway opened (`online`), or the last one's grace ended. One batch. */
  set(gatewayId: string, changes: readonly { userId: UserId; online: boolean; at: number }[]): Promise<void>;
  read(userIds: readonly UserId[], now: number): Promise<Presence[]>;
}
