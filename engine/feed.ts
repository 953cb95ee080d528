import type { ConversationId, Epoch } from '../shared/primitives.ts';

/** Where an event stands: written in the commit that appended it, so the feed has every event that a log has. */
export interface FeedPointer {
  conversationId: ConversationId;
  epoch: Epoch;
  seq: number;
  /** Name of the event. */
  name: string;
  /** Unix ms. */
  at: number;
}

/** A place in the feed of one partition: the number of its last pointer that was read, from 1, in the history that `term` names. */
export interface FeedPosition {
  term: string;
  n: number;
}

export interface FeedPage {
  pointers: FeedPointer[];
  /** The position of the last pointer of the page; where reading began when it is empty. */
  position: FeedPosition;
  /** More pointers follow. */
  hasMore: boolean;
  /**
   * Set when the pointers do not follow the position asked for without a gap. `trimmed`: those after it are too old and gone. `reset`:
   * the partition's history does not go on from it. The page begins with the oldest pointer there is.
   */
  gap?: 'trimmed' | 'reset';
}

/**
 * The events of all conversations in the order of their commits, as pointers: what an event says is read from its log, so a pointer
 * cannot bring back what was deleted. Conversations are spread over partitions by their id; each partition is a sequence of its own.
 * Pointers are kept for `FEED_DAYS`.
 */
export interface Feed {
  readonly partitions: number;
  /** Pointers after a position of this partition, at most `limit`; from the oldest without one. Rejects with CHAT_ERR_STORE_UNAVAILABLE. */
  read(partition: number, after: FeedPosition | undefined, limit: number): Promise<FeedPage>;
}
