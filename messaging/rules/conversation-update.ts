import { commit, event, fail, type Rule, refuseDirect, unchanged } from './rule.ts';

/** An owner or admin names a group. The name that it has already changes nothing. A direct conversation has none (CHAT_ERR_DIRECT_FIXED). */
export const conversationUpdate: Rule<'conversation.update'> = {
  wants: () => ({}),
  decide(known, asked) {
    const { actorId, title } = asked.command;
    const refusal = refuseDirect(known);
    if (refusal !== undefined) return refusal;
    if (known.actor.role === 'member') return fail('CHAT_ERR_FORBIDDEN');
    if (known.fields['title'] === title) return unchanged;
    return commit({
      guards: [
        [{ guard: 'role', userId: actorId, role: known.actor.role }, 'again'],
        [{ guard: 'field', name: 'title', value: known.fields['title'] }, 'again'],
      ],
      events: [event(asked, 'conversation.updated', { title })],
      writes: [{ write: 'field', name: 'title', value: title }],
    });
  },
};
