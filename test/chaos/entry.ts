import type { ChatEvent } from '../../client/index.ts';
import type { Entry } from './history.ts';

/** A log event as it goes into the history. */
export function entryOf(event: ChatEvent): Entry {
  const { conversationId: conversation, epoch, seq, event: name, actorId: actor } = event;
  return { conversation, epoch, seq, event: name, actor, ...contentOf(event) };
}

function contentOf(event: ChatEvent): Partial<Entry> {
  switch (event.event) {
    case 'message.created': {
      const { clientMessageId: id, text, deletedAt, reactions = [] } = event.data;
      return {
        ...(id === undefined ? {} : { id }),
        ...(text === undefined ? {} : { text }),
        ...(deletedAt === undefined ? {} : { deleted: true as const }),
        ...(reactions.length === 0 ? {} : { reactions: Object.fromEntries(reactions.map(({ emoji, userIds }) => [emoji, userIds])) }),
      };
    }
    case 'message.edited': {
      const { target, text } = event.data;
      return { target, ...(text === undefined ? {} : { text }) };
    }
    case 'message.deleted':
      return { target: event.data.target };
    case 'reaction.added':
    case 'reaction.removed':
      return { target: event.data.target, emoji: event.data.emoji };
    case 'member.added':
      return { users: event.data.members.map(({ userId }) => userId) };
    case 'member.removed':
      return { users: [event.data.userId] };
    default:
      return {};
  }
}
