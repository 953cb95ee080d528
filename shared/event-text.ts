import type { Event, EventName, ReactionSummary } from './events.ts';
import type { ConversationId, Epoch, UserId } from './primitives.ts';

/**
 * The JSON text of an event is made once, where it is stored, and never re-encoded on its way to the sockets. It starts with
 * `{"type":"event","seq":N,"epoch":"E",` so that a store can put seq and epoch in front by concatenation, and a gateway can read
 * them without parsing the rest.
 */
const HEAD = '{"type":"event","seq":';
const HEAD_BYTES = Buffer.from(HEAD);
const EPOCH_KEY = ',"epoch":"';

/** What of an event is known before it has a place in the log. */
export interface EventDraft {
  conversationId: ConversationId;
  id: string;
  /** Unix ms. */
  at: number;
  actorId: string;
  event: EventName;
  data: unknown;
}

/** Everything of an event's text that follows seq and epoch. */
export function encodeEventTail(draft: EventDraft): string {
  return `"conversationId":"${draft.conversationId}","id":"${draft.id}","at":${draft.at},"actorId":"${draft.actorId}","event":"${draft.event}","data":${JSON.stringify(draft.data)}}`;
}

/** The whole text of an event. */
export function encodeEvent(seq: number, epoch: Epoch, tail: string): string {
  return `${HEAD}${seq}${EPOCH_KEY}${epoch}",${tail}`;
}

/** A place in a conversation's history. */
export interface Position {
  seq: number;
  epoch: Epoch;
}

/** Reads seq and epoch off the front of a topic's payload; undefined when it is not a log event but an ephemeral frame. */
export function peekPosition(payload: Buffer): Position | undefined {
  if (payload.length < HEAD_BYTES.length || HEAD_BYTES.compare(payload, 0, HEAD_BYTES.length) !== 0) return undefined;
  let seq = 0;
  let i = HEAD_BYTES.length;
  for (; i < payload.length; i++) {
    const digit = (payload[i] as number) - 48;
    if (digit < 0 || digit > 9) break;
    seq = seq * 10 + digit;
  }
  const from = i + EPOCH_KEY.length;
  const to = payload.indexOf(34, from);
  if (to < 0) return undefined;
  return { seq, epoch: payload.toString('latin1', from, to) };
}

export function decodeEvent(text: string): Event {
  return JSON.parse(text) as Event;
}

/** Nothing before it is chosen freely by a client, so the first one is where the data begins. */
const DATA_KEY = '"data":';

/** The text of an event with other data (JSON text) in place of its own. */
export function replaceEventData(text: string, data: string): string {
  return `${text.slice(0, text.indexOf(DATA_KEY) + DATA_KEY.length)}${data}}`;
}

/** What of an event's tail comes before its data: the event's id, time and actor, and nothing that a deletion must erase. */
export function eventStamp(text: string): string {
  return text.slice(text.indexOf('"conversationId":'), text.indexOf(DATA_KEY));
}

/** One group of an entry's tally: its name, how many users it counts, and the first of them. */
export type TallyGroup = readonly [group: string, count: number, userIds: readonly UserId[]];

/** The text of an event as reads show it: its tally is the last thing in its data. */
export function withTally(text: string, tally: readonly TallyGroup[]): string {
  if (tally.length === 0) return text;
  const data = text.slice(0, -2);
  const reactions: ReactionSummary[] = tally.map(([emoji, count, userIds]) => ({ emoji, count, userIds: [...userIds] }));
  return `${data}${data.endsWith('{') ? '' : ','}"reactions":${JSON.stringify(reactions)}}}`;
}
