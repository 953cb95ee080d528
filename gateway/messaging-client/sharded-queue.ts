import { type Command, type CommandOk, isRepeatable } from '../../shared/commands.ts';
import { ChatError } from '../../shared/errors.ts';
import { QueueShard, type SendBatch } from './queue-shard.ts';

/** Text of all commands that wait, in UTF-16 code units: the bound also holds for the largest commands. */
const QUEUE_CHARS = 64 * 1_048_576;
const RETRY_MS = 500;

export interface ShardedQueueOptions {
  shards: number;
  /** Commands in one call at most. */
  batch: number;
  /** Commands that may wait. */
  queue: number;
  send: SendBatch;
}

/**
 * Natural batching: while a call is in flight commands collect, and the next call carries them all. A conversation always uses the same
 * shard, so commands of one conversation are never reordered.
 */
export class ShardedQueue {
  readonly #shards: QueueShard[];
  readonly #limit: number;
  readonly #load = { commands: 0, chars: 0 };
  #closing = false;

  constructor(options: ShardedQueueOptions) {
    this.#limit = options.queue;
    this.#shards = Array.from({ length: options.shards }, () => new QueueShard(options.send, options.batch, this.#load));
  }

  /** Commands that wait to be sent. */
  get depth(): number {
    return this.#load.commands;
  }

  execute(command: Command): Promise<CommandOk> {
    if (this.#closing) return Promise.reject(new ChatError('CHAT_ERR_DRAINING'));
    const text = serialize(command);
    if (text === undefined) return Promise.reject(new ChatError('CHAT_ERR_BAD_METADATA'));
    if (this.#load.commands >= this.#limit || this.#load.chars + text.length > QUEUE_CHARS)
      return Promise.reject(ChatError.overloaded(RETRY_MS));
    const { promise, resolve, reject } = Promise.withResolvers<CommandOk>();
    this.#shards[shardOf(command.conversationId, this.#shards.length)]!.push({
      conversationId: command.conversationId,
      text,
      settled: false,
      repeatable: isRepeatable(command.op),
      resolve,
      reject,
    });
    return promise;
  }

  /** Takes no more commands; resolves when those it has are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#shards.map((shard) => shard.idle()));
  }
}

/** undefined when a value nested too deeply exhausts the serializer. */
function serialize(command: Command): string | undefined {
  try {
    return JSON.stringify(command);
  } catch {
    return undefined;
  }
}

function shardOf(conversationId: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < conversationId.length; i++) hash = Math.imul(hash ^ conversationId.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % shards;
}
