import type { TSchema } from 'typebox';
import { Conversation, Member, ReadState } from '../../shared/conversations.ts';
import { ErrorBodySchema, ErrorEnvelope } from '../../shared/error-schemas.ts';
import { ChatError, ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { EVENTS, Event, ReactionSummary, UnknownEvent } from '../../shared/events.ts';
import * as rest from '../../shared/http-schemas.ts';
import { type NamedSchema, NamedSchemas, pascalCase, type Reference } from '../../shared/service/named-schemas.ts';
import { OPERATION_BODIES } from '../http/operation-route.ts';

/** The events by component name, their union, and what stands for those that are added later. */
export function eventComponents(events: Readonly<Record<string, TSchema>>, union: TSchema): [string, TSchema][] {
  return [
    ...Object.entries(events).map(([name, schema]): [string, TSchema] => [pascalCase(name), schema]),
    ['UnknownEvent', UnknownEvent],
    [KNOWN_EVENTS, union],
  ];
}

/** The union of the events that a document knows, and its union with those that it does not know. */
const KNOWN_EVENTS = 'Event';
const ALL_EVENTS = 'LogEntry';

/** Schemas that get a name in the document; parts stand before what is made of them. */
const COMPONENTS: readonly [string, TSchema][] = [
  ['ErrorBody', ErrorBodySchema],
  ['ErrorEnvelope', ErrorEnvelope],
  ['Member', Member],
  ['Conversation', Conversation],
  ['ReadState', ReadState],
  ['ReactionSummary', ReactionSummary],
  ...eventComponents(EVENTS, Event),
  ['Message', rest.Message],
  ['MessageSent', rest.MessageSent],
  ['SessionTokens', rest.SessionTokens],
  ['SessionInfo', rest.SessionInfo],
  ['SignInByPartner', rest.SignInByPartner],
  ['SignInByIdToken', rest.SignInByIdToken],
  ['CreateSession', rest.CreateSession],
  ['RefreshSession', rest.RefreshSession],
  ...OPERATION_BODIES,
  ['SessionList', rest.SessionList],
  ['ConversationList', rest.ConversationList],
  ['MemberList', rest.MemberList],
  ['MessageList', rest.MessageList],
  ['EventList', rest.EventList],
  ['ReadList', rest.ReadList],
  ['Jwks', rest.Jwks],
  ['Health', rest.Health],
];

/**
 * The components. Where they name the events that this server knows, the document takes any: a client made from it must not break when one
 * is added.
 */
export class ComponentRegistry extends NamedSchemas {
  constructor(components: readonly NamedSchema[] = COMPONENTS, reference?: Reference) {
    super(components, reference);
  }

  protected override add(name: string, schema: TSchema): void {
    if (name !== KNOWN_EVENTS) {
      super.add(name, schema);
      return;
    }
    super.add(name, schema, ALL_EVENTS);
    // `anyOf`, and no discriminator: either would make generated clients refuse a name that is not listed.
    this.schemas.push({
      $id: ALL_EVENTS,
      description: 'One entry of a conversation’s log. Newer servers add events: take any, ignore those you do not know.',
      anyOf: [KNOWN_EVENTS, 'UnknownEvent'].map((one) => this.reference(one)),
    });
  }
}

/** The envelope of every error, once; routes refer to those they can give. */
export function errorExamples(): Record<string, { summary: string; value: unknown }> {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  return Object.fromEntries(
    codes.map((code) => [code, { summary: ERRORS[code].message, value: { error: exampleOf(code).toBody('req-1a') } }]),
  );
}

function exampleOf(code: ErrorCode): ChatError {
  return new ChatError(code, undefined, code === 'CHAT_ERR_RATE_LIMITED' ? { retryAfterMs: 12_000 } : undefined);
}
