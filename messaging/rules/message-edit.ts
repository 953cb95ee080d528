import { isDeepStrictEqual } from 'node:util';
import { commit, event, fail, messageOf, type Rule, unchanged } from './rule.ts';

/**
 * Only its sender edits a message (else CHAT_ERR_NOT_YOUR_MESSAGE), and only while it is not deleted (else CHAT_ERR_MESSAGE_NOT_FOUND).
 * Metadata that is left out stays as it is. The same text and metadata again change nothing. Metadata is the same whatever the order of
 * the names in its objects; the order of a list counts.
 */
export const messageEdit: Rule<'message.edit'> = {
  wants: ({ command: { seq } }) => ({ entries: [seq] }),
  decide({ entries }, asked) {
    const { actorId, seq, text, metadata } = asked.command;
    const message = messageOf(entries.get(seq));
    if (message === undefined || message.isDeleted) return fail('CHAT_ERR_MESSAGE_NOT_FOUND');
    if (message.senderId !== actorId) return fail('CHAT_ERR_NOT_YOUR_MESSAGE');
    const { data, revision } = message;
    if (data.text === text && (metadata === undefined || isDeepStrictEqual(metadata, data.metadata))) return unchanged;
    const change = metadata === undefined ? { text } : { text, metadata };
    return commit({
      guards: [[{ guard: 'revision', seq, revision }, 'again']],
      events: [event(asked, 'message.edited', { target: seq, ...change }, { attachTo: seq })],
      writes: [{ write: 'rewrite', seq, kind: 'message', data: JSON.stringify({ ...data, ...change, editedAt: asked.at }) }],
    });
  },
};
