import type { Rule } from './rule.ts';

/** Publishes that a member types, or stops, and stores nothing. In a batch it keeps its place among the commands of its conversation. */
export const typing: Rule<'typing'> = {
  plan({ command: { conversationId, actorId: userId, active } }) {
    return { frame: { text: JSON.stringify({ type: 'typing', conversationId, userId, active }) } };
  },
};
