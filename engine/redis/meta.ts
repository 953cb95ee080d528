import type { UserId } from '../../shared/primitives.ts';
import type { CommitState, Membership } from '../conversation-log.ts';

/** How the fields of a conversation's hash begin that hold its members. */
export const MEMBER_FIELD = 'u:';

/** The field of a member. */
export const memberField = (userId: UserId): string => MEMBER_FIELD + userId;

/** Members and what is stored of them, out of all fields and values of a conversation's hash. */
export function membersOf(fieldsAndValues: readonly string[]): [UserId, string][] {
  const members: [UserId, string][] = [];
  for (let i = 0; i + 1 < fieldsAndValues.length; i += 2) {
    const [field = '', value = ''] = [fieldsAndValues[i], fieldsAndValues[i + 1]];
    if (field.startsWith(MEMBER_FIELD)) members.push([field.slice(MEMBER_FIELD.length), value]);
  }
  return members;
}

/** A member is stored as readSeq, deliveredSeq, joinedAt, joinedSeq, place and role, joined by `:`; a role may have one in it. */
export function toMembership(value: string): Membership {
  const [, , joinedAt, joinedSeq, place, ...role] = value.split(':');
  return { role: role.join(':'), joinedAt: Number(joinedAt), joinedSeq: Number(joinedSeq), place: Number(place) };
}

export function toCursors(value: string): { readSeq: number; deliveredSeq: number } {
  const [readSeq, deliveredSeq] = value.split(':');
  return { readSeq: Number(readSeq), deliveredSeq: Number(deliveredSeq) };
}

/** What the fields `head` and `state` say: library.lua says what they hold. */
export function toState(headText: string, stateText: string): CommitState & { updatedAt: number } {
  const [head, , updatedAt] = headText.split(' ');
  const [epoch = '', , activeUntil, notifyFrom] = stateText.split(' ');
  return { head: Number(head), updatedAt: Number(updatedAt), epoch, activeUntil: Number(activeUntil), notifyFrom: Number(notifyFrom) };
}
