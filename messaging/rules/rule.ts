import type { Commit, Entry, Facts, Guard, Membership, NewEvent, Wanted } from '../../engine/conversation-log.ts';
import type { Command, CommandOf, CommandOp } from '../../shared/commands.ts';
import { ChatError, type ErrorCode } from '../../shared/errors.ts';
import { encodeEventTail } from '../../shared/event-text.ts';
import type { EventName, MessageContent } from '../../shared/events.ts';
import type { UserId } from '../../shared/primitives.ts';

/** Limits that rules hold; the same in every messaging process. */
export interface ChatLimits {
  /** Members of one group. */
  groupMaxMembers: number;
  /** Receipts are published only in conversations up to this size. */
  receiptMaxMembers: number;
}

export const DEFAULT_LIMITS: ChatLimits = { groupMaxMembers: 5000, receiptMaxMembers: 100 };

/** A command as a rule sees it. */
export interface Asked<O extends CommandOp = CommandOp> {
  command: CommandOf<O>;
  /** Id of the event it may make; of the last one if it makes several. */
  eventId: string;
  /** Time of the command, Unix ms: stamps the event and decides whether the conversation is active. */
  at: number;
  limits: ChatLimits;
}

/**
 * What a guard that does not hold means: `again`: what was loaded is out of date, so load and decide again; `unchanged`: what the command
 * asks for is so already; or the error it is refused with.
 */
export type Otherwise = 'again' | 'unchanged' | ChatError;
export type CheckedGuard = readonly [guard: Guard, otherwise: Otherwise];

/** What a rule wants committed. Conversation, time, actor and repeatability are those of the command. */
export interface Plan extends Pick<Commit, 'create' | 'key' | 'events' | 'writes' | 'advance' | 'raise' | 'frame' | 'notify'> {
  guards?: readonly CheckedGuard[];
  /** Users it lets in or puts out: they are told on their own topics. */
  added?: readonly UserId[];
  removed?: readonly UserId[];
}

/** What is loaded for a rule: all of the facts it wants, and the actor, who is a member. */
export interface Known extends Facts {
  actor: Membership;
}

export type Decision = { decision: 'commit'; plan: Plan } | { decision: 'unchanged' } | { decision: 'fail'; error: ChatError } | More;
/** The rule cannot decide without these. */
type More = { decision: 'load'; wanted: Wanted };

/**
 * What an operation does, as a pure function. A rule with `plan` commits in one round trip: it loads nothing, and its guards say
 * everything that must hold. A rule with `wants` and `decide` says what it wants to know, and decides. Its guards say what must still be
 * so when the commit is carried out. The actor must be a member, except of a conversation that is being made: the executor and the engine
 * check that.
 */
export type Rule<O extends CommandOp> =
  | { plan(asked: Asked<O>): Plan }
  | { wants(asked: Asked<O>): Wanted; decide(known: Known, asked: Asked<O>): Decision };

export const commit = (plan: Plan): Decision => ({ decision: 'commit', plan });
export const unchanged: Decision = { decision: 'unchanged' };
export const load = (wanted: Wanted): Decision => ({ decision: 'load', wanted });
export const fail = (code: ErrorCode, message?: string): Decision => ({ decision: 'fail', error: new ChatError(code, message) });

/** The event of a command, as it is appended. `id` is for the first of two events: the last one has the id of the command. */
export function event(
  { command, eventId, at }: Asked,
  name: EventName,
  data: object,
  { id = eventId, attachTo }: { id?: string; attachTo?: number } = {},
): NewEvent {
  const { conversationId, actorId } = command as Command;
  const tail = encodeEventTail({ conversationId, id, at, actorId, event: name, data });
  const kind = name === 'message.created' ? 'message' : 'event';
  return attachTo === undefined ? { kind, name, tail } : { kind, name, tail, attachTo };
}

/** A message as it stands now. */
export interface Message {
  senderId: UserId;
  revision: number;
  isDeleted: boolean;
  data: MessageContent;
}

/** The entry as a message; undefined when it never was one. */
export function messageOf(entry: Entry | undefined): Message | undefined {
  if (entry === undefined || entry.kind === 'event') return undefined;
  const { actorId, data } = JSON.parse(entry.text) as { actorId: UserId; data: MessageContent };
  return { senderId: actorId, revision: entry.revision, isDeleted: entry.kind === 'tombstone', data };
}

/** The refusal of what cannot be done to a direct conversation, `conversation.update` and all of `member.*`; undefined for a group. */
export function refuseDirect({ fields }: Facts): Decision | undefined {
  return fields['kind'] === 'direct' ? fail('CHAT_ERR_DIRECT_FIXED') : undefined;
}
