import calculateSlot from 'cluster-key-slot';
import type { ConversationId, SessionId, UserId } from '../../shared/primitives.ts';
import { topics } from '../../shared/topics.ts';

/** Partitions of the conversations. Fixed when a store is first used: see `layout.ts`. */
export const PARTITIONS = 256;

/** The keys of one partition's feed. `commit.lua` says what they hold. */
export interface FeedKeys {
  slot: number;
  feed: string;
  feedMeta: string;
}

/** The keys of one conversation and of the feed of its partition, all in one slot. `commit.lua` says what they hold. */
export interface ConversationKeys extends FeedKeys {
  meta: string;
  log: string;
  sent0: string;
  sent1: string;
  roster: string;
  extras: string;
  counted(seq: number): string;
}

/** The keys of one user, all in one slot. */
export interface UserKeys {
  slot: number;
  /** Hash: conversation → when it was put there, Unix ms. Derived from the conversations: written before them, verified on read. */
  conversations: string;
  /** Sorted set: conversation → active until, Unix ms. */
  active: string;
  /** Hash: session id → when it was put there, Unix ms. Derived like `conversations`. */
  sessions: string;
  /** Hash: gateway → its record of the user; `seen` → last disconnect, Unix ms. */
  presence: string;
}

const TOPIC_START = topics.conversation('').slice(0, -1);

/** Names every key and channel this system writes. */
export class Keys {
  readonly partitions: number;
  readonly #prefix: string;
  readonly #feeds: readonly FeedKeys[];

  constructor(prefix: string, partitions = PARTITIONS) {
    this.#prefix = prefix;
    this.partitions = partitions;
    this.#feeds = Array.from({ length: partitions }, (_, partition) => {
      const feed = `${prefix}{p${partition}}:feed`;
      return { slot: calculateSlot(feed), feed, feedMeta: `${feed}:meta` };
    });
  }

  /** The partition of a conversation. */
  partition(id: ConversationId): number {
    return calculateSlot(id) % this.partitions;
  }

  feed(partition: number): FeedKeys | undefined {
    return this.#feeds[partition];
  }

  conversation(id: ConversationId): ConversationKeys {
    const partition = this.partition(id);
    const base = `${this.#prefix}{p${partition}}:${id}:`;
    return {
      ...(this.#feeds[partition] as FeedKeys),
      meta: `${base}meta`,
      log: `${base}log`,
      sent0: `${base}sent:0`,
      sent1: `${base}sent:1`,
      roster: `${base}roster`,
      extras: `${base}extras`,
      counted: (seq) => `${base}counted:${seq}`,
    };
  }

  user(id: UserId): UserKeys {
    const base = `${this.#prefix}{u:${id}}:`;
    return {
      slot: calculateSlot(base),
      conversations: `${base}conversations`,
      active: `${base}active`,
      sessions: `${base}sessions`,
      presence: `${base}presence`,
    };
  }

  /** Hash of one session. */
  session(id: SessionId): { slot: number; key: string } {
    const key = `${this.#prefix}{s:${id}}`;
    return { slot: calculateSlot(key), key };
  }

  /** Partner and signing keys; few, in one slot. `layout` is beside them, so that no server has them and lacks it. */
  get credentials(): { slot: number; layout: string; partners: string; revoked: string; signing: string; signingOrder: string } {
    const base = `${this.#prefix}{keys}:`;
    return {
      slot: calculateSlot(base),
      layout: `${base}layout`,
      partners: `${base}partners`,
      revoked: `${base}revoked`,
      signing: `${base}signing`,
      signingOrder: `${base}signing-order`,
    };
  }

  /** Hash: gateway → its lease. */
  get leases(): { slot: number; key: string } {
    const key = `${this.#prefix}{gateways}:leases`;
    return { slot: calculateSlot(key), key };
  }

  /** The channel of a topic: that of a conversation is in the slot of its keys, so that a commit can publish to it. */
  channel(topic: string): string {
    if (!topic.startsWith(TOPIC_START)) return this.#prefix + topic;
    const id = topic.slice(TOPIC_START.length, -1);
    return `${this.#prefix}{p${this.partition(id)}}:${id}`;
  }
}
