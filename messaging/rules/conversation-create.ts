import { ChatError } from '../../shared/errors.ts';
import type { Role, UserId } from '../../shared/primitives.ts';
import { event, type Rule } from './rule.ts';

/** `members` names everyone, the actor too; of a user named twice the first mention counts. An id that exists answers the first result to a member; see `Executor`. */
export const conversationCreate: Rule<'conversation.create'> = {
  plan(asked) {
    const { kind, title } = asked.command;
    const { at, limits } = asked;
    const members = distinct(asked.command.members);
    if (members.length > limits.groupMaxMembers) return tooManyMembers(limits.groupMaxMembers);
    return {
      create: true,
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
