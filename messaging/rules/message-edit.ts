import { isDeepStrictEqual } from 'node:util';
import { commit, event, fail, messageOf, type Rule, unchanged } from './rule.ts';

/** Edits of one message: a deletion must be able to erase them all in one commit. */
export const MAX_EDITS = 1000;

/**
 * Only its sender edits a message (else CHAT_ERR_NOT_YOUR_MESSAGE), and only while it is not deleted (else CHAT_ERR_MESSAGE_NOT_FOUND).
 * After `MAX_EDITS` edits it takes no more (CHAT_ERR_LIMIT). Metadata that is left out stays as it is. The same text and metadata again change nothing. Metadata is the same whatever the order of
 * the names in its objects; the order of a list counts.
 */
export const messageEdit: Rule<'message.edit'> = {
  wants: ({ command: { seq } }) => ({ entries: [seq], attached: [seq] }),
  decide({ entries, attached }, asked) {
    const { actorId, seq, text, metadata } = asked.command;
    const message = messageOf(entries.get(seq));
    if (message === undefined || message.isDeleted) return fail('CHAT_ERR_MESSAGE_NOT_FOUND');
    if (message.senderId !== actorId) return fail('CHAT_ERR_NOT_YOUR_MESSAGE');
    const { data, revision } = message;
    if (data.text === text && (metadata === undefined || isDeepStrictEqual(metadata, data.metadata))) return unchanged;
    if ((attached.get(seq)?.length ?? 0) >= MAX_EDITS) return fail('CHAT_ERR_LIMIT', `A message is edited at most ${MAX_EDITS} times`);
    const change = metadata === undefined ? { text } : { text, metadata };
    return commit({
      guards: [[{ guard: 'revision', seq, revision }, 'again']],
      events: [event(asked, 'message.edited', { target: seq, ...change }, { attachTo: seq })],
      writes: [{ write: 'rewrite', seq, kind: 'message', data: JSON.stringify({ ...data, ...change, editedAt: asked.at }) }],
    });
  },
};
