import type { FastifyInstance } from 'fastify';
import { LISTED_AFTER_MS } from '../../engine/engine.ts';
import type { ConversationStore } from '../../engine/store.ts';
import { ChatError } from '../../shared/errors.ts';
import type { SyncOfUser } from '../../shared/internal.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { internalRoute, type SchemaReferences } from '../http/internal-route.ts';
import { readShares } from '../http/read-shares.ts';
import { RESPONSE_CHARS, totalChars, trimJoins, trimRange, trimSync } from '../http/response-size.ts';

/**
 * Users whose missed events are read at once. It is only a part of a call, because events that do not fit into the answer are read for
 * nothing.
 */
const SIDE_BY_SIDE = 10;
/** After this time, ms, a call answers what it has. One shard that is out of reach must not make the users of the others time out. */
const PATIENCE_MS = 1000;
/** About how much a conversation takes in an answer beside its events. */
const CONVERSATION_CHARS = 400;

/** What a gateway asks for its connections: where to listen, what was missed, what is missing. */
export default async function deliveryRoutes(
  app: FastifyInstance,
  { schemas, store, clock }: { schemas: SchemaReferences; store: ConversationStore; clock: Clock },
) {
  internalRoute(app, schemas, 'active', {
    tag: 'delivery',
    summary: 'List the conversations of users that are active',
    description:
      'A gateway subscribes to these topics before it syncs, so that nothing falls between reading and listening. A share for each user, in order.',
    weight: ({ userIds }) => userIds.length,
    handle: async ({ userIds }) => {
      const now = clock.now() - LISTED_AFTER_MS;
      return { users: await readShares(userIds, (userId) => store.activeConversations(userId, now), app.log) };
    },
  });

  internalRoute(app, schemas, 'sync', {
    tag: 'delivery',
    summary: 'Read what users missed',
    description:
      'For every conversation that moved past its cursor: the events, or `truncated` when there are more than `limit` or the answer grows too large, ' +
      'or `reset` when the cursor is void. A share for each user, in order; for fewer when the answer grew too large or took too long: ask again for the rest.',
    weight: ({ users }) => users.length,
    handle: async ({ users }) => {
      const shares: SyncOfUser[] = [];
      let chars = 0;
      const begunAt = performance.now();
      while (shares.length < users.length && chars < RESPONSE_CHARS) {
        if (shares.length > 0 && performance.now() - begunAt > PATIENCE_MS) break;
        const now = clock.now() - LISTED_AFTER_MS;
        const some = users.slice(shares.length, shares.length + SIDE_BY_SIDE);
        const read = await readShares(some, async (user) => trimSync(await store.sync({ ...user, now })), app.log);
        for (const share of read) {
          if (chars >= RESPONSE_CHARS) break;
          for (const { events } of share.conversations) chars += CONVERSATION_CHARS + totalChars(events);
          shares.push(share);
        }
      }
      return { users: shares };
    },
  });

  internalRoute(app, schemas, 'joins', {
    tag: 'delivery',
    summary: 'Let connections into the topics of conversations that became active',
    description:
      'Says which of the users are members, and gives the events after a seq, or none when the answer grows too large: then they do not reach ' +
      'up to `head`. Unknown conversations are left out.',
    handle: async ({ joins }) => ({ joins: trimJoins(await store.joins(joins, clock.now() - LISTED_AFTER_MS)) }),
  });

  internalRoute(app, schemas, 'range', {
    tag: 'delivery',
    summary: 'Read a range of a log to repair a gap',
    description: 'Events after a seq, ascending: at most `limit`, and fewer when the answer grows too large; read on from the last one.',
    handle: async ({ conversationId, after, limit, epoch }) => {
      const range = await store.readForward(conversationId, after, limit, epoch);
      if (range === undefined) throw new ChatError('CHAT_ERR_CONVERSATION_NOT_FOUND');
      return trimRange(range);
    },
  });

  internalRoute(app, schemas, 'heads', {
    tag: 'delivery',
    summary: 'Compare topics with their logs',
    description: 'The newest seq and the epoch of each conversation; unknown ones are left out.',
    handle: async ({ conversationIds }) => ({ heads: await store.heads(conversationIds) }),
  });
}
