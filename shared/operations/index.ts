import { conversationCreate } from './conversation-create.ts';
import { conversationUpdate } from './conversation-update.ts';
import { memberAdd } from './member-add.ts';
import { memberRemove } from './member-remove.ts';
import { memberRole } from './member-role.ts';
import { messageDelete } from './message-delete.ts';
import { messageEdit } from './message-edit.ts';
import { messageSend } from './message-send.ts';
import type { EventDefinition, Operation } from './operation.ts';
import { reactionAdd } from './reaction-add.ts';
import { reactionRemove } from './reaction-remove.ts';
import { receiptDelivered } from './receipt-delivered.ts';
import { receiptRead } from './receipt-read.ts';
import { typing } from './typing.ts';

/** Everything that can be done to a conversation. A new operation is a file beside this one and an entry here. */
const ALL = [
  messageSend,
  messageEdit,
  messageDelete,
  reactionAdd,
  reactionRemove,
  receiptRead,
  receiptDelivered,
  typing,
  conversationCreate,
  conversationUpdate,
  memberAdd,
  memberRemove,
  memberRole,
] as const;

type Any = (typeof ALL)[number];
export type OperationName = Any['name'];
export type OperationOf<N extends OperationName> = Extract<Any, { name: N }>;
/** Names of the operations that have a WebSocket frame. */
export type FrameOperationName = Extract<Any, { frame: object }>['name'];

/** Every operation, by its name. */
export const OPERATIONS = byName(ALL) as { readonly [N in OperationName]: OperationOf<N> };

type AnyEvent = Any['events'][number];
export type EventName = AnyEvent['name'];

/** What each event carries in `data`, by the event's name. */
export const EventData = eventsOf(ALL) as { readonly [N in EventName]: Extract<AnyEvent, { name: N }>['data'] };

/** The operations by name. Throws when two have one name. */
export function byName<O extends Operation>(operations: readonly O[]): Record<string, O> {
  const table: Record<string, O> = {};
  for (const operation of operations) {
    if (Object.hasOwn(table, operation.name)) throw new Error(`two operations are named ${operation.name}`);
    table[operation.name] = operation;
  }
  return table;
}

/** What the events of these operations carry, by event name, in the order of their first mention. Throws when a name has two definitions. */
export function eventsOf(operations: readonly Operation[]): Record<string, EventDefinition['data']> {
  const table: Record<string, EventDefinition['data']> = {};
  for (const { name, data } of operations.flatMap(({ events }) => events)) {
    if (Object.hasOwn(table, name) && table[name] !== data) throw new Error(`the event ${name} has two definitions`);
    table[name] = data;
  }
  return table;
}
