import type { Role, UserId } from '../shared/primitives.ts';

/** A member as a command names it. */
export interface MemberRef {
  userId: UserId;
  role: Role;
}

/** The first mention of each user, in the order of the list. */
export function distinctMembers(members: readonly MemberRef[]): MemberRef[] {
  const named = new Set<UserId>();
  return members.filter(({ userId }) => named.size < named.add(userId).size);
}
