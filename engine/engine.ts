import type { Clock } from '../shared/service/clock.ts';
import { CLOCK_SKEW_MS } from '../shared/service/clock.ts';
import type { Bus } from './bus.ts';
import type { ConversationLog } from './conversation-log.ts';
import type { Feed } from './feed.ts';
import type { Store } from './store.ts';

/** A log, its feed, a store and a bus that belong together: what the log appends is in the feed, and published on the bus. */
export interface Engine {
  readonly kind: 'embedded' | 'redis';
  readonly log: ConversationLog;
  readonly feed: Feed;
  readonly store: Store;
  readonly bus: Bus;
  close(): Promise<void>;
}

/** How long a conversation stays active after it was last activated, ms. */
export const ACTIVE_MS = 60 * 60_000;
/** A conversation is listed as active for this long after its time, ms: a process with a slow clock may still append to it without activating it. */
export const LISTED_AFTER_MS = CLOCK_SKEW_MS + 30_000;
/** Gateways follow a topic for this long after its time, ms: longer than any process lists the conversation as active. */
export const ACTIVE_MARGIN_MS = 2 * LISTED_AFTER_MS;

/** What `recordActivation` wrote may be forgotten this long after it has passed, ms. */
export const FORGET_ACTIVE_MS = 24 * 60 * 60_000;

/** Events one join answers at most. */
export const JOIN_EVENTS = 1000;

/** An idempotency key is known for so long at least, ms. */
export const KEY_MS = 24 * 60 * 60_000;
/** And for so much longer, ms: the clock that stamped it and the one that asks may be wrong in opposite directions. */
export const KEY_MARGIN_MS = 2 * CLOCK_SKEW_MS;
/**
 * Keys are kept in buckets of so many ms, by the time of their commit. The newest bucket and the one before it are kept. A third clock, which is
 * ahead of the one that asks, may have begun the newest bucket, so the margin counts twice.
 */
export const KEY_BUCKET_MS = KEY_MS + 2 * KEY_MARGIN_MS;
/** A key is certainly forgotten after so long, ms. */
export const KEY_GONE_MS = 2 * KEY_BUCKET_MS;
/** A sync looks at what happened so long before its `since`, ms: twice what clocks may differ, since a command waits after it took its time. */
export const SYNC_MARGIN_MS = 2 * CLOCK_SKEW_MS;

/** Days for which the feed keeps its pointers, when the environment does not say. */
export const DEFAULT_FEED_DAYS = 7;

/** The variables an engine reads; a service's whole config has them. */
export interface EngineConfig {
  REDIS_URL?: string | undefined;
  REDIS_CLUSTER_URLS?: string | undefined;
  REDIS_USERNAME?: string | undefined;
  REDIS_PASSWORD?: string | undefined;
  REDIS_TLS_CA_FILE?: string | undefined;
  REDIS_MIN_REPLICA_ACKS?: number | undefined;
  REDIS_REPLICA_TIMEOUT_MS?: number | undefined;
  REDIS_KEY_PREFIX?: string | undefined;
  FEED_DAYS?: number | undefined;
}

/** Where an engine tells what an operator should know; pino and Fastify loggers fit. */
export interface EngineLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** What an engine is opened with beside the environment. */
export interface EngineOptions {
  /** Folder of the embedded engine; made when missing. */
  dataDir?: string;
  /** Open the embedded data beside a running server: sessions and keys only, no lock, and a bus of its own. For administration. */
  shareData?: boolean;
  clock?: Clock;
  /** Default: FEED_DAYS of the config. */
  feedDays?: number;
  log?: EngineLog;
}
