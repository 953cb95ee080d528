import type { Facts, Membership } from '../../../engine/conversation-log.ts';
import { type Asked, type ChatLimits, DEFAULT_LIMITS, type Decision, type Known, type Plan } from '../../../messaging/rules/rule.ts';
import type { CommandOf, CommandOp } from '../../../shared/commands.ts';
import { encodeEvent, encodeEventTail } from '../../../shared/event-text.ts';
import type { Role, UserId } from '../../../shared/primitives.ts';

/** What rules are asked and what they are told, without any engine. */

export const ID = 'g-0123456789012345678901';
export const AT = 1_700_000_000_000;
export const EVENT_ID = '019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f';

/** A command of ana, or of whom it names. */
export function asked<O extends CommandOp>(
  op: O,
  input: Omit<CommandOf<O>, 'op' | 'conversationId' | 'actorId'> & { actorId?: UserId },
  limits: Partial<ChatLimits> = {},
): Asked<O> {
  const command = { op, conversationId: ID, actorId: 'ana', ...input } as unknown as CommandOf<O>;
  return { command, eventId: EVENT_ID, at: AT, limits: { ...DEFAULT_LIMITS, ...limits } };
}

/** A member who came with the event `joinedSeq`. */
export const member = (role: Role, joinedSeq = 1, place = 0): Membership => ({ role, joinedAt: AT, joinedSeq, place });

/** Facts of a group of ten events, of which ana has this role. */
export function known(role: Role, facts: Partial<Facts> = {}): Known {
  return {
    ...{ head: 10, epoch: 'e1', fields: { kind: 'group', title: 'Old' }, memberCount: 3, membersVersion: 7 },
    activation: { activeUntil: 0, activeFrom: 0, notifyFrom: 0, addedSeq: 0 },
    members: new Map(),
    entries: new Map(),
    attached: new Map(),
    actor: member(role),
    ...facts,
  };
}

/** The entry of a message as a log holds it. */
export function messageEntry(senderId: UserId, data: object, { isDeleted = false, revision = 0 } = {}) {
  const tail = encodeEventTail({ conversationId: ID, id: EVENT_ID, at: AT, actorId: senderId, event: 'message.created', data });
  return { kind: isDeleted ? ('tombstone' as const) : ('message' as const), revision, text: encodeEvent(5, 'e1', tail) };
}

/** What is committed; throws when the rule decided otherwise. */
export function planOf(decision: Decision): Plan {
  if (decision.decision !== 'commit') throw new Error(`the rule decided ${JSON.stringify(decision)}`);
  return decision.plan;
}

/** `unchanged`, or the code of the error. */
export function outcomeOf(decision: Decision): string {
  return decision.decision === 'fail' ? decision.error.code : decision.decision;
}

/** Name and data of the events of a plan. */
export function eventsOf({ events = [] }: Plan): [string, unknown][] {
  return events.map(({ name, tail }) => [name, (JSON.parse(`{${tail}`) as { data: unknown }).data]);
}
