import type { Facts, Membership } from '../../engine/conversation-log.ts';
import { newEventId } from '../../shared/ids.ts';
import type { Role, UserId } from '../../shared/primitives.ts';
import { distinct, tooManyMembers } from './conversation-create.ts';
import { type CheckedGuard, commit, event, fail, load, type Rule, refuseDirect, unchanged } from './rule.ts';

/** Who is a member, and with which role, is decided upon what was loaded. */
const sameMembers = ({ membersVersion: version }: Facts): CheckedGuard => [{ guard: 'membersVersion', version }, 'again'];

/**
 * Owners and admins let users in. Only an owner makes admins, and nobody makes owners. Users who are members are skipped. Of a user named
 * twice the first mention counts, for the role and for the place. The cursors of newcomers start at the event that lets them in. A group
 * that would become too large is refused as a whole (CHAT_ERR_LIMIT). It always asks for an activation.
 */
export const memberAdd: Rule<'member.add'> = {
  wants: ({ command }) => ({ members: command.members.map(({ userId }) => userId) }),
  decide(known, asked) {
    const { at, command, limits } = asked;
    const { actor, memberCount } = known;
    const refusal = refuseDirect(known);
    if (refusal !== undefined) return refusal;
    if (actor.role === 'member') return fail('CHAT_ERR_FORBIDDEN');
    const named = distinct(command.members);
    if (named.some(({ role }) => role === 'owner' || (role === 'admin' && actor.role !== 'owner'))) return fail('CHAT_ERR_FORBIDDEN');
    const members = named.filter(({ userId }) => !known.members.has(userId));
    if (members.length === 0) return unchanged;
    if (memberCount + members.length > limits.groupMaxMembers) {
      return { decision: 'fail', error: tooManyMembers(limits.groupMaxMembers) };
    }
    return commit({
      guards: [sameMembers(known)],
      events: [event(asked, 'member.added', { members })],
      writes: members.map(({ userId, role }, place) => ({ write: 'enter', userId, role, joinedAt: at, place })),
      notify: 'always',
      added: members.map(({ userId }) => userId),
    });
  },
};

/**
 * Everybody may leave. An owner puts anybody out, an admin members. A user who is no member changes nothing. When the last owner goes, the
 * longest-standing admin, else member, becomes the owner first, by a `conversation.updated` with `roles`. While another owner is left, nobody
 * becomes one.
 */
export const memberRemove: Rule<'member.remove'> = {
  wants: ({ command: { userId } }) => ({ members: [userId] }),
  decide(known, asked) {
    const { actorId, userId } = asked.command;
    const { actor } = known;
    const target = known.members.get(userId);
    const refusal = refuseDirect(known);
    if (refusal !== undefined) return refusal;
    const allowed =
      actorId === userId || actor.role === 'owner' || (actor.role === 'admin' && (target === undefined || target.role === 'member'));
    if (!allowed) return fail('CHAT_ERR_FORBIDDEN');
    if (target === undefined) return unchanged;
    const removal = event(asked, 'member.removed', { userId });
    const leave = { write: 'leave', userId } as const;
    if (target.role !== 'owner') {
      // Not the version of all members: thousands may leave at once, and none is in the way of another.
      const guards: CheckedGuard[] = [[{ guard: 'role', userId, role: target.role }, 'again']];
      if (actorId !== userId) guards.push([{ guard: 'role', userId: actorId, role: actor.role }, 'again']);
      return commit({ guards, removed: [userId], events: [removal], writes: [leave] });
    }
    const plan = { guards: [sameMembers(known)], removed: [userId] };
    if (known.memberCount === 1) return commit({ ...plan, events: [removal], writes: [leave] });
    if (known.roster === undefined) return load({ members: [userId], roster: true });
    const isLastOwner = !known.roster.some(([other, { role }]) => role === 'owner' && other !== userId);
    const heir = isLastOwner ? successor(known.roster, userId) : undefined;
    if (heir === undefined) return commit({ ...plan, events: [removal], writes: [leave] });
    const handover = event(asked, 'conversation.updated', { roles: [{ userId: heir, role: 'owner' }] }, { id: newEventId() });
    return commit({ ...plan, events: [handover, removal], writes: [{ write: 'role', userId: heir, role: 'owner' }, leave] });
  },
};

/**
 * Only an owner changes roles, and only of members (else CHAT_ERR_NOT_MEMBER). Giving `owner` away makes the giver an admin. An owner cannot
 * step down otherwise (CHAT_ERR_FORBIDDEN). A role that the member has already changes nothing.
 */
export const memberRole: Rule<'member.role'> = {
  wants: ({ command: { userId } }) => ({ members: [userId] }),
  decide(known, asked) {
    const { actorId, userId, role } = asked.command;
    const refusal = refuseDirect(known);
    if (refusal !== undefined) return refusal;
    if (known.actor.role !== 'owner') return fail('CHAT_ERR_FORBIDDEN');
    const target = known.members.get(userId);
    if (target === undefined) return fail('CHAT_ERR_NOT_MEMBER', `${userId} is not a member of this conversation`);
    if (target.role === role) return unchanged;
    if (userId === actorId) return fail('CHAT_ERR_FORBIDDEN', 'The owner steps down by making someone else the owner');
    const roles: { userId: UserId; role: Role }[] = [{ userId, role }];
    if (role === 'owner') roles.push({ userId: actorId, role: 'admin' });
    return commit({
      guards: [sameMembers(known)],
      events: [event(asked, 'conversation.updated', { roles })],
      writes: roles.map((one) => ({ write: 'role', ...one })),
    });
  },
};

/**
 * The admin who came first, else the member who came first. An earlier event that lets in comes first, then an earlier place in its list.
 * Clocks and ids do not count.
 */
export function successor(roster: readonly (readonly [UserId, Membership])[], leaving: UserId): UserId | undefined {
  const order = ({ role, joinedSeq, place }: Membership): number[] => [role === 'admin' ? 0 : 1, joinedSeq, place];
  const others = roster.filter(([userId]) => userId !== leaving).map(([userId, member]) => ({ userId, order: order(member) }));
  others.sort((a, b) => a.order.map((n, i) => n - (b.order[i] as number)).find((difference) => difference !== 0) ?? 0);
  return others[0]?.userId;
}
