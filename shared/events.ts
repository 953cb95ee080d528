import Type, { type Static, type TObject } from 'typebox';
import { EventData, type EventName } from './operations/index.ts';
import { ConversationId, Epoch, Seq, TimestampMs, UserId } from './primitives.ts';

export { MessageContent, ReactionSummary } from './message-content.ts';
export { EventData, type EventName } from './operations/index.ts';

/** The name of every event, in the order in which the operations name them. */
export const EVENT_NAMES = Object.keys(EventData) as EventName[];

const eventHead = {
  type: Type.Literal('event'),
  seq: Seq,
  epoch: Epoch,
  conversationId: ConversationId,
  id: Type.String({ format: 'uuid', description: 'Unique over all conversations', examples: ['019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f'] }),
  at: TimestampMs,
  actorId: UserId,
};

/** The log entry with this name: what all entries have in common, and its `data`. */
export function eventSchema(name: string, data: TObject): TObject {
  return Type.Object({ ...eventHead, event: Type.Literal(name), data }, { title: name });
}

type EventSchema<N extends EventName> = Static<TObject<typeof eventHead>> & { event: N; data: Static<(typeof EventData)[N]> };
/** One entry of a conversation's log with this name. */
export type EventOf<N extends EventName> = { [One in N]: { [K in keyof EventSchema<One>]: EventSchema<One>[K] } }[N];
/** One entry of a conversation's log, exactly as it is stored, published and put on the wire. */
export type Event = EventOf<EventName>;

/** The schema of each event, by its name. */
export const EVENTS = Object.fromEntries(EVENT_NAMES.map((name) => [name, eventSchema(name, EventData[name])])) as Record<
  EventName,
  TObject
>;

/** One entry of a conversation's log, of a name that this server knows. */
export const Event = Type.Unsafe<Event>(
  Type.Union(Object.values(EVENTS), {
    description: 'One entry of a conversation’s log',
    examples: [
      {
        type: 'event',
        seq: 42,
        epoch: 'm1k9x2',
        conversationId: 'g-hYt6kCqZ0uJm3nW8xR2b1Q',
        id: '019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f',
        at: 1763910000000,
        actorId: 'ana',
        event: 'message.created',
        data: { clientMessageId: 'c2f1b7de-0001', text: 'Hello Bob' },
      },
    ],
  }),
);

/**
 * An entry with a name that the reader of a document does not know. It is in the documents only, beside the known ones: clients made from
 * them must take what newer servers add.
 */
export const UnknownEvent = Type.Object(
  {
    ...eventHead,
    event: Type.String({ description: 'A name that this document does not know', examples: ['message.translated'] }),
    data: Type.Object({}, { description: 'Whatever that event carries' }),
  },
  { description: 'An event that a newer server added: advance the cursor, ignore the rest' },
);
