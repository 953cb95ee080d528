import type { Rule } from './rule.ts';

export const typing: Rule<'typing'> = {
  plan({ command: { conversationId, actorId: userId, active } }) {
    return { frame: { text: JSON.stringify({ type: 'typing', conversationId, userId, active }) } };
  },
};
