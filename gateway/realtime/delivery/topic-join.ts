import type { Position } from '../../../shared/event-text.ts';
import type { Connection, Start } from '../transport/connection.ts';

/**
 * One attempt of a connection to enter a topic. It is the token of that attempt: an answer lets a connection in only while its join is
 * still the one that waits. Whatever overtakes the answer (a leave, a second sync, a new history) puts another join in its place.
 */
export interface Join {
  readonly connection: Connection;
  /** The last event the connection was given. Undefined until a sync says where it starts. */
  place: Position | undefined;
  origin: Start['origin'];
  /** It followed the topic before, so the client must be told if it is let in no more. */
  wasLive: boolean;
  /** The user was let in after the question was asked, so an answer of "no member" may be too old. */
  askAgain: boolean;
  /** Answers so far that did not fit. */
  attempts: number;
}
