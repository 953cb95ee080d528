import { ChatError } from '../../shared/errors.ts';
import type { Role, UserId } from '../../shared/primitives.ts';
import { type CheckedGuard, event, type Rule } from './rule.ts';

/**
 * `members` names everyone, the actor too. Of a user named twice the first mention counts, for the role and for the place. More members than
 * the limit are refused (CHAT_ERR_LIMIT). The cursors of all start at the `member.added` event. It always asks for an activation.
 *
 * An id that exists answers the first result to a member, as a `duplicate` and without change. Others get CHAT_ERR_IDEMPOTENCY_MISMATCH: see
 * `Executor`.
 */
export const conversationCreate: Rule<'conversation.create'> = {
  plan(asked) {
    const { kind, title } = asked.command;
    const { at, limits } = asked;
    const members = distinct(asked.command.members);
    // It never holds, since no field is set before this commit. A guard is asked only when the id is new: to an id that exists the limit is nothing.
    const refusal: CheckedGuard = [{ guard: 'field', name: 'kind', value: kind }, tooManyMembers(limits.groupMaxMembers)];
    return {
      create: true,
      guards: members.length > limits.groupMaxMembers ? [refusal] : [],
      events: [event(asked, 'member.added', { members })],
      writes: [
        { write: 'field', name: 'kind', value: kind },
        { write: 'field', name: 'createdAt', value: String(at) },
        ...(title === undefined ? [] : [{ write: 'field', name: 'title', value: title } as const]),
        ...members.map(({ userId, role }, place) => ({ write: 'enter', userId, role, joinedAt: at, place }) as const),
      ],
      notify: 'always',
      added: members.map(({ userId }) => userId),
    };
  },
};

/** The refusal of a group that would become too large. */
export function tooManyMembers(limit: number): ChatError {
  return new ChatError('CHAT_ERR_LIMIT', `A group has at most ${limit} members`);
}

interface NewMember {
  userId: UserId;
  role: Role;
}

/** The first mention of each user. */
export function distinct(members: readonly NewMember[]): NewMember[] {
  const found = new Map<UserId, NewMember>();
  for (const member of members) if (!found.has(member.userId)) found.set(member.userId, member);
  return [...found.values()];
}
