import type { ConversationId, SessionId, UserId } from '../../shared/primitives.ts';
import { slotOfTag } from './slot.ts';

/** The keys of one conversation, all in one slot. `library.lua` says what they hold. */
export interface ConversationKeys {
  slot: number;
  meta: string;
  log: string;
  roster: string;
  edits: string;
  reactions: string;
  sent0: string;
  sent1: string;
  sent2: string;
  reactors(seq: number): string;
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

/** Names every key this system writes. */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  conversation(id: ConversationId): ConversationKeys {
    const base = `${this.#prefix}{c:${id}}:`;
    return {
      slot: slotOfTag(`c:${id}`),
      meta: `${base}meta`,
      log: `${base}log`,
      roster: `${base}roster`,
      edits: `${base}edits`,
      reactions: `${base}reactions`,
      sent0: `${base}sent:0`,
      sent1: `${base}sent:1`,
      sent2: `${base}sent:2`,
      reactors: (seq) => `${base}reactors:${seq}`,
    };
  }

  user(id: UserId): UserKeys {
    const base = `${this.#prefix}{u:${id}}:`;
    return {
      slot: slotOfTag(`u:${id}`),
      conversations: `${base}conversations`,
      active: `${base}active`,
      sessions: `${base}sessions`,
      presence: `${base}presence`,
    };
  }

  /** Hash of one session. */
  session(id: SessionId): { slot: number; key: string } {
    return { slot: slotOfTag(`s:${id}`), key: `${this.#prefix}{s:${id}}` };
  }

  /** Partner and signing keys; few, in one slot. */
  get credentials(): { slot: number; partners: string; revoked: string; signing: string; signingOrder: string } {
    const base = `${this.#prefix}{keys}:`;
    return {
      slot: slotOfTag('keys'),
      partners: `${base}partners`,
      revoked: `${base}revoked`,
      signing: `${base}signing`,
      signingOrder: `${base}signing-order`,
    };
  }

  /** Hash: gateway → its lease. */
  get leases(): { slot: number; key: string } {
    return { slot: slotOfTag('gateways'), key: `${this.#prefix}{gateways}:leases` };
  }

  channel(topic: string): string {
    return this.#prefix + topic;
  }

  /** The topic of a channel that `channel` named. */
  topic(channel: string): string {
    return channel.slice(this.#prefix.length);
  }
}
