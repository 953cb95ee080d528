import type { Command, CommandOk } from '../shared/schemas/commands.ts';
import type { InternalApi, InternalCall } from '../shared/schemas/internal.ts';

/** What the gateway needs of the messaging service. Every method rejects with `ChatError`. */
export interface MessagingApi {
  call<N extends InternalCall>(name: N, request: InternalApi[N]['request']): Promise<InternalApi[N]['response']>;
  /** Carries out one command, in order with the others of its conversation. */
  execute(command: Command): Promise<CommandOk>;
  /** Resolves if messaging can be reached. */
  ready(): Promise<void>;
  /** Commands waiting to be sent. */
  readonly queueDepth: number;
  /** What the client has done and is doing, by name; shown as metrics. */
  readonly stats?: object;
  close(): Promise<void>;
}
