import type { Command, CommandOk } from '../../shared/commands.ts';
import type { ActiveConversation, InternalApi, InternalCall, SyncConversation, UserSync } from '../../shared/internal.ts';
import type { UserId } from '../../shared/primitives.ts';

/** Calls that are not gathered. Reads that many users ask for at once have methods of their own. */
export type PlainCall = Exclude<InternalCall, 'active' | 'sync'>;

/** What the gateway needs of the messaging service. Every method rejects with `ChatError`. */
export interface MessagingApi {
  call<N extends PlainCall>(name: N, request: InternalApi[N]['request']): Promise<InternalApi[N]['response']>;
  /** The user's conversations that are active. Users who ask at once share a call. */
  active(userId: UserId): Promise<ActiveConversation[]>;
  /** What the user missed. Users who ask at once share a call. */
  sync(request: UserSync): Promise<SyncConversation[]>;
  /** Carries out one command, in order with the others of its conversation. */
  execute(command: Command): Promise<CommandOk>;
  /** Resolves if messaging can be reached. */
  ready(): Promise<void>;
  /** Calls back when no messaging service accepts this gateway's token any more, and when one does again. One listener. */
  onRefusal?(listener: (refused: boolean) => void): void;
  /** Commands waiting to be sent. */
  readonly queueDepth: number;
  /** What the client has done and is doing, by name; shown as metrics. */
  readonly stats?: object;
  close(): Promise<void>;
}
