import { commit, event, fail, messageOf, type Rule, unchanged } from './rule.ts';

/**
 * The sender deletes a message, or an owner or admin (else CHAT_ERR_FORBIDDEN). Its content, the texts of its edits in the log and its
 * reactions are gone from the storage afterwards. A tombstone keeps its place. A second deletion changes nothing.
 */
export const messageDelete: Rule<'message.delete'> = {
  wants: ({ command: { seq } }) => ({ entries: [seq], attached: [seq] }),
  decide({ actor, entries, attached }, asked) {
    const { actorId, seq } = asked.command;
    const message = messageOf(entries.get(seq));
    if (message === undefined) return fail('CHAT_ERR_MESSAGE_NOT_FOUND');
    const isOwn = message.senderId === actorId;
    if (!isOwn && actor.role === 'member') return fail('CHAT_ERR_FORBIDDEN');
    if (message.isDeleted) return unchanged;
    const edits = attached.get(seq) ?? [];
    return commit({
      guards: [
        [{ guard: 'revision', seq, revision: message.revision }, 'again'],
        ...(isOwn ? [] : [[{ guard: 'role', userId: actorId, role: actor.role }, 'again'] as const]),
      ],
      events: [event(asked, 'message.deleted', { target: seq })],
      writes: [
        { write: 'rewrite', seq, kind: 'tombstone', data: JSON.stringify({ deletedAt: asked.at, deletedBy: actorId }) },
        ...edits.map((edit) => ({ write: 'rewrite', seq: edit, kind: 'event', data: JSON.stringify({ target: seq }) }) as const),
        { write: 'clear', seq },
      ],
    });
  },
};
