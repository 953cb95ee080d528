import type { Static, TObject, TProperties } from 'typebox';
import type { ErrorCode } from '../errors.ts';
import type { Scope } from '../scopes.ts';

/**
 * What an operation does when it is carried out a second time:
 * - `keyed`: the store remembers its id and answers the first result.
 * - `forward`: it leaves a state that only moves on. Whatever came in between, the second time changes nothing.
 * - `reversible`: it leaves a state that another operation can take back. If that came in between, the second time undoes it.
 *
 * Keyed and forward operations are sent again when nobody knows whether they were carried out; reversible ones are not.
 */
export type Retry = 'keyed' | 'forward' | 'reversible';

/** A kind of log entry: its name and what it carries in `data`. */
export interface EventDefinition<N extends string = string, D extends TObject = TObject> {
  readonly name: N;
  readonly data: D;
}

/** Names a kind of log entry. Several operations may share one definition; two definitions of one name are refused at the start. */
export function event<const N extends string, D extends TObject>(name: N, data: D): EventDefinition<N, D> {
  return { name, data };
}

/** The WebSocket frame of an operation. Its type is the operation's name, its fields are `conversationId` and the input. */
export interface OperationFrame {
  /** One or two sentences for whoever sends it. */
  readonly description: string;
  /** The time from frame to ack is the metric `chat_ack_seconds`. */
  readonly measured?: true;
}

/**
 * The REST route of an operation, below `/v1`. Path parameters are named after `conversationId` or a field of the input; the other fields
 * are the body.
 */
export interface OperationRoute {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: `/conversations${string}`;
  /** In the OpenAPI document; in PascalCase it names the body. */
  readonly operationId: string;
  readonly tag: 'conversations' | 'members' | 'messages' | 'reads';
  /** What a partner key needs. */
  readonly scope: Scope;
  readonly summary: string;
  readonly description: string;
  /** The body, where it is not simply the rest of the input. */
  readonly body?: { readonly fields: TProperties; readonly example: object };
  /** What the header Idempotency-Key gives: a field of the input, or that from which the id of a conversation follows. */
  readonly idempotencyKey?: string;
  /** What holds after success, which is answered by 204. Left out: `gateway/routes/` has a handler of its own that answers more. */
  readonly done?: string;
}

/** One thing that can be done to a conversation. Frames, commands, events, routes, checks and documents are derived from it. */
export interface Operation<
  N extends string = string,
  P extends TProperties = TProperties,
  E extends readonly EventDefinition[] = readonly EventDefinition[],
  F extends OperationFrame | undefined = OperationFrame | undefined,
  R extends OperationRoute | undefined = OperationRoute | undefined,
> {
  readonly name: N;
  /** A few words for a table. */
  readonly summary: string;
  /** Its fields, beside the conversation and who acts. */
  readonly input: P;
  /** What it can write into the log; nothing for what is only told to those who are connected. */
  readonly events: E;
  /** The server frame that tells it to those who are connected, when it is not in the log. */
  readonly told: string | undefined;
  /** The errors it has beside those that any call can meet. */
  readonly errors: readonly ErrorCode[];
  readonly retry: Retry;
  readonly frame: F;
  readonly rest: R;
  /** A valid input. */
  readonly example: object;
}

/** The members of an `Operation` as its file spells them; what is left out of `told`, `frame` and `rest` is undefined. */
interface Definition<P extends TProperties, E, F, R> {
  summary: string;
  input: P;
  events: E;
  told?: string;
  errors: readonly ErrorCode[];
  retry: Retry;
  frame?: F;
  rest?: R;
  example: NoInfer<Static<TObject<P>>>;
}

/** Defines an operation, once; see `Operation`. `docs/reference/operations.md` is generated from all of them. */
export function operation<
  const N extends string,
  P extends TProperties,
  const E extends readonly EventDefinition[],
  const F extends OperationFrame | undefined = undefined,
  const R extends OperationRoute | undefined = undefined,
>(name: N, definition: Definition<P, E, F, R>): Operation<N, P, E, F, R> {
  const { told, frame, rest, ...always } = definition;
  return { name, ...always, told, frame: frame as F, rest: rest as R };
}

/** Errors of everything that happens in a conversation that exists, and is for members only. */
export const IN_CONVERSATION = ['CHAT_ERR_NOT_MEMBER', 'CHAT_ERR_CONVERSATION_NOT_FOUND'] as const satisfies ErrorCode[];

/** Errors of a message's content. */
export const CONTENT = ['CHAT_ERR_TEXT_TOO_LONG', 'CHAT_ERR_BAD_METADATA'] as const satisfies ErrorCode[];
