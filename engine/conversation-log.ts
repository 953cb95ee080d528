import type { ErrorBody } from '../shared/errors.ts';
import type { ConversationId, Epoch, UserId } from '../shared/primitives.ts';

/**
 * The log of a conversation and what belongs to it, as the rules in `messaging/rules` read and change it. An engine checks guards, numbers
 * and stores events, writes values and publishes, atomically. What the values mean it does not know.
 *
 * A conversation has
 * - a log: entries 1, 2, 3, … without gaps. An entry has a kind, the text of its event, and a revision.
 * - fields: small texts by name. They are not read with every commit, so a rule may keep what it likes in them.
 * - members: each with a role, which is a text to the engine, and two cursors (read, delivered) that only move forward.
 * - tallies: for an entry, who is counted in which group. See `TallyWrite`.
 * - its activation: see `messaging/activation.ts`. The engine keeps three numbers of it and sets one of them.
 */
export interface ConversationLog {
  /**
   * What a rule wants to know before it decides, in one round trip; undefined when there is no such conversation. It may not be durable yet.
   * An answer that rests on facts alone needs a commit, which may be one without events and writes: its outcome is durable.
   */
  load(conversationId: ConversationId, wanted: Wanted): Promise<Facts | undefined>;

  /**
   * Carries out commits, each atomically and apart from the others. Commits of one conversation are carried out in the order given, also
   * those of two calls. Only a commit that does nothing but publish a frame may be overtaken, by one of a later call. An outcome is given
   * when what it says is durable. What is published may be heard before that, so only the outcome is the ack. Never rejects: a storage
   * that fails is the outcome `failed`.
   *
   * `each`, if given, is called with an outcome and the place of its commit as soon as it is there. What it was not called with is in
   * the list.
   */
  commit(commits: readonly Commit[], each?: (place: number, outcome: CommitOutcome) => void): Promise<CommitOutcome[]>;

  /**
   * Replaces the activation of a conversation, if it stands as `before` says, in the same epoch. False: it does not, perhaps since it was
   * replaced by this very call, whose reply was lost. Rejects with CHAT_ERR_STORE_UNAVAILABLE or CHAT_ERR_NOT_DURABLE.
   */
  replaceActivation(conversationId: ConversationId, epoch: Epoch, before: ActivationState, after: ActivationState): Promise<boolean>;
}

/** What kind of entry this is. A `tombstone` was a `message`; both count when messages are counted and pages of messages are read. */
export type EntryKind = 'message' | 'tombstone' | 'event';

/** An entry of the log as it reads now, without its tally. */
export interface Entry {
  kind: EntryKind;
  /** 0, or the seq of the event whose commit rewrote it last. */
  revision: number;
  /** The whole text of the event. */
  text: string;
}

/** A member's place in a conversation. */
export interface Membership {
  role: string;
  /** Unix ms. */
  joinedAt: number;
  /** Seq of the event that let the user in. */
  joinedSeq: number;
  /** Place among those whom that event let in, 0 for the first. */
  place: number;
}

/** The activation of a conversation. Times are Unix ms; a seq of 0 stands for none. */
export interface ActivationState {
  /** The last confirmed activation ends then. */
  activeUntil: number;
  /** The first seq of the period of activity that ends at `activeUntil`. */
  activeFrom: number;
  /** The first seq that no confirmed activation covers. */
  notifyFrom: number;
  /** Seq of the last commit with `notify: 'always'`: that let somebody in. */
  addedSeq: number;
}

export interface Wanted {
  members?: readonly UserId[];
  entries?: readonly number[];
  /** Entries whose attached events are wanted. */
  attached?: readonly number[];
  /** All members. Thousands: only where a rule cannot do without. */
  roster?: boolean;
}

export interface Facts {
  head: number;
  epoch: Epoch;
  fields: Readonly<Record<string, string>>;
  memberCount: number;
  /** Seq of the last commit that changed who is a member, or a role. */
  membersVersion: number;
  activation: ActivationState;
  /** Of the users wanted, those who are members. */
  members: ReadonlyMap<UserId, Membership>;
  /** Of the entries wanted, those that exist. */
  entries: ReadonlyMap<number, Entry>;
  /** For each entry asked for, the seqs of the events attached to it, ascending. */
  attached: ReadonlyMap<number, readonly number[]>;
  /** When wanted: everybody, in no certain order. */
  roster?: readonly (readonly [UserId, Membership])[];
}

/** Something that must hold when a commit is carried out. Never the head of the log, so that a busy room does not conflict. */
export type Guard =
  /** The entry exists and is of one of these kinds. */
  | { guard: 'kind'; seq: number; kinds: readonly EntryKind[] }
  /** The entry exists and was not rewritten since. */
  | { guard: 'revision'; seq: number; revision: number }
  /** The field has this value; undefined: it is not set. */
  | { guard: 'field'; name: string; value: string | undefined }
  /** The user is a member with this role; undefined: is no member. */
  | { guard: 'role'; userId: UserId; role: string | undefined }
  /** Nobody came, went or changed role since. */
  | { guard: 'membersVersion'; version: number }
  /** Whether the member is counted in this group of the entry's tally. */
  | { guard: 'counted'; seq: number; group: string; userId: UserId; is: boolean }
  /** The group exists in the entry's tally, or the tally has fewer groups than this. */
  | { guard: 'groups'; seq: number; group: string; below: number };

/** An event to append: it gets the next seq. */
export interface NewEvent {
  kind: 'message' | 'event';
  /** The event's name, for its feed pointer. */
  name: string;
  /** All of the event's text that follows seq and epoch: see `encodeEventTail`. */
  tail: string;
  /** The event is attached to this entry, which must exist: `Facts.attached` lists it. */
  attachTo?: number;
}

export type Write =
  | { write: 'field'; name: string; value: string }
  /** Lets a user in, who must be no member. `joinedSeq` and both cursors are the seq of the commit's last event. */
  | { write: 'enter'; userId: UserId; role: string; joinedAt: number; place: number }
  /** Changes the role of a member. */
  | { write: 'role'; userId: UserId; role: string }
  /** Puts a member out. */
  | { write: 'leave'; userId: UserId }
  /** Replaces the kind and the `data` (JSON text) of an entry; what comes before `data` stays. Sets its revision to the commit's last seq. */
  | { write: 'rewrite'; seq: number; kind: EntryKind; data: string }
  /** Forgets which events are attached to an entry, and its tally. */
  | { write: 'clear'; seq: number }
  | TallyWrite;

/**
 * A tally counts users in groups, for one entry. Reads show it with the entry, as a list of groups in the order in which they were first
 * counted in, each with its full count and its first `TALLY_USERS` users in the order in which they were counted in. A group that counts
 * nobody any more is gone. The order of a user is the seq of the commit's last event.
 */
export interface TallyWrite {
  write: 'tally';
  seq: number;
  group: string;
  userId: UserId;
  /** Counts the user in or out; a guard `counted` must say that this changes something. */
  counted: boolean;
}

/** Users a tally shows of each group. */
export const TALLY_USERS = 50;

export interface Commit {
  conversationId: ConversationId;
  /** Unix ms: stamps the conversation (`updatedAt` never goes back), and decides whether it is active. */
  at: number;
  /** Must be a member. Absent: nobody in particular, as in a commit that creates. */
  actorId?: UserId;
  /** Makes the conversation: it must not exist. Reads expect the fields `kind`, `createdAt` (Unix ms) and perhaps `title`. */
  create?: boolean;
  /**
   * An idempotency key of the actor. It is remembered with the seq of the commit's last event. A commit with a key that is remembered is a
   * `duplicate`. That is certain up to `KEY_MS` + `KEY_MARGIN_MS` after the first commit, by the times `at` of the two. From `KEY_GONE_MS`
   * on the key is certainly new again. In between each engine may know it or not.
   */
  key?: string;
  /** Checked in this order, after existence, membership of the actor, and the key. */
  guards?: readonly Guard[];
  /** One a commit, or several that belong together; none for what is not stored. */
  events?: readonly NewEvent[];
  writes?: readonly Write[];
  /** Both cursors of the actor move to the commit's last event. */
  advance?: boolean;
  /**
   * Moves a cursor of the actor up to this seq, or to the head if that is lower; reading implies delivery. When the cursor is there or
   * beyond, the commit is `unchanged` and publishes nothing.
   */
  raise?: { cursor: 'read' | 'delivered'; to: number };
  /**
   * Published on the conversation's topic without being stored: `text`, or with `raise` `text`, the seq reached, and `end`. Not when the
   * conversation has more than `upToMembers` members.
   */
  frame?: { text: string; end?: string; upToMembers?: number };
  /** May be sent again when nobody knows whether it was carried out. */
  repeatable: boolean;
  /** `always`: the members must be told of this commit also while the conversation is active, since it lets somebody in. */
  notify?: 'always';
}

/** How a conversation stands after a commit. */
export interface CommitState {
  head: number;
  epoch: Epoch;
  activeUntil: number;
  notifyFrom: number;
}

export type CommitOutcome =
  /** Carried out. `seq` is that of its last event; 0 without one. `published`: an event or the frame was. */
  | ({ status: 'committed'; seq: number; published: boolean } & CommitState)
  /** The cursor was there already. */
  | ({ status: 'unchanged' } & CommitState)
  /** The key is known: the seq it made, and the beginning of that event's tail, with at least its `id` and `at`. */
  | ({ status: 'duplicate'; seq: number; tail: string } & CommitState)
  /** The guard in this place does not hold; nothing was written. */
  | ({ status: 'refused'; guard: number } & CommitState)
  /** `create`, and there is one. */
  | ({ status: 'exists' } & CommitState)
  | { status: 'notFound' }
  /** The actor is no member. */
  | { status: 'notMember' }
  /**
   * CHAT_ERR_STORE_UNAVAILABLE, CHAT_ERR_NOT_DURABLE or CHAT_ERR_INTERNAL: nobody knows whether it was carried out. CHAT_ERR_OVERLOADED:
   * too many wait, and it was not.
   */
  | { status: 'failed'; error: ErrorBody };
