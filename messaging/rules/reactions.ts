import { ChatError } from '../../shared/errors.ts';
import { type CheckedGuard, event, type Rule } from './rule.ts';

/** Different emoji a message takes. */
export const MAX_EMOJI = 20;

/** Reactions are on messages that are not deleted. */
const target = (seq: number): CheckedGuard => [{ guard: 'kind', seq, kinds: ['message'] }, new ChatError('CHAT_ERR_MESSAGE_NOT_FOUND')];

/**
 * Each user reacts once with an emoji. A second time changes nothing. A message takes `MAX_EMOJI` different emoji (else CHAT_ERR_LIMIT). Reads
 * show each with its count and its first users: see `TallyWrite`.
 */
export const reactionAdd: Rule<'reaction.add'> = {
  plan(asked) {
    const { actorId: userId, seq, emoji: group } = asked.command;
    const tooMany = new ChatError('CHAT_ERR_LIMIT', `A message takes ${MAX_EMOJI} different emoji`);
    return {
      guards: [
        target(seq),
        [{ guard: 'counted', seq, group, userId, is: false }, 'unchanged'],
        [{ guard: 'groups', seq, group, below: MAX_EMOJI }, tooMany],
      ],
      events: [event(asked, 'reaction.added', { target: seq, emoji: group })],
      writes: [{ write: 'tally', seq, group, userId, counted: true }],
    };
  },
};

/** Takes a reaction back. One that is not there changes nothing. */
export const reactionRemove: Rule<'reaction.remove'> = {
  plan(asked) {
    const { actorId: userId, seq, emoji: group } = asked.command;
    return {
      guards: [target(seq), [{ guard: 'counted', seq, group, userId, is: true }, 'unchanged']],
      events: [event(asked, 'reaction.removed', { target: seq, emoji: group })],
      writes: [{ write: 'tally', seq, group, userId, counted: false }],
    };
  },
};
