import type { ChatClientError } from './errors.ts';
import type { StateChange } from './link.ts';
import type { OutboxEntry, SentMessage } from './outbox.ts';
import type { ChatEvent, Conversation, EventOf, PresenceState, ServerFrameOf } from './wire.ts';

/** A conversation came into view, or left it. */
export interface ConversationChange {
  conversationId: string;
  /** `added`, `removed`: the user's membership changed. `synced`: how it stands after a (re)connect, before the missed events come. */
  change: 'added' | 'removed' | 'synced';
  /** As the user sees it; absent with `removed`. */
  conversation?: Conversation;
}

/** The history the app holds of a conversation is void: forget it and page it anew. Events go on from `head + 1`. */
export interface ConversationReset {
  conversationId: string;
  epoch: string;
  /** The last seq that will not come as an event. */
  head: number;
}

/** Everything an app can listen to. */
export interface ChatClientEvents {
  /** A log event: of each conversation every one, once, in order of seq. The app's own messages too. */
  event: ChatEvent;
  /** The events that are new messages, as `event` gives them. */
  message: EventOf<'message.created'>;
  /** A member has read, or received, everything up to seq. The last one wins. */
  receipt: ServerFrameOf<'receipt'>;
  /** A member types; holds for 8 s unless repeated. */
  typing: ServerFrameOf<'typing'>;
  /** A watched user came or went. */
  presence: PresenceState;
  /** A conversation came into view, or left it. */
  conversation: ConversationChange;
  /** The history the app holds of a conversation is void. */
  reset: ConversationReset;
  /** A message of the outbox is stored; tells it also for messages an earlier run left. */
  sent: SentMessage;
  /** The server has refused a message for good; it left the outbox. */
  failed: { entry: OutboxEntry; error: ChatClientError };
  /** The client's state changed. */
  state: StateChange;
  /** Something went wrong that no call reports; the client goes on by itself. */
  error: ChatClientError;
}
