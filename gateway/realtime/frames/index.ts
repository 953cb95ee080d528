import { Compile, type Validator } from 'typebox/compile';
import { ChatError } from '../../../shared/errors.ts';
import { CLIENT_FRAMES, type ClientFrame, type ClientFrameType, type Ref } from '../../../shared/frames.ts';
import type { Connection } from '../transport/connection.ts';
import { clientState } from './client-state.ts';
import { type FrameContext, type FrameHandler, replyError } from './frame.ts';
import { history } from './history.ts';
import { messageDelete } from './message-delete.ts';
import { messageEdit } from './message-edit.ts';
import { messageSend } from './message-send.ts';
import { ping } from './ping.ts';
import { presenceUnwatch } from './presence-unwatch.ts';
import { presenceWatch } from './presence-watch.ts';
import { reactionAdd } from './reaction-add.ts';
import { reactionRemove } from './reaction-remove.ts';
import { receiptDelivered } from './receipt-delivered.ts';
import { receiptRead } from './receipt-read.ts';
import { sessionRefresh } from './session-refresh.ts';
import { sync } from './sync.ts';
import { typing } from './typing.ts';

export type { FrameContext } from './frame.ts';

const HANDLERS: { [N in ClientFrameType]: FrameHandler<N> } = {
  sync,
  'message.send': messageSend,
  'message.edit': messageEdit,
  'message.delete': messageDelete,
  'reaction.add': reactionAdd,
  'reaction.remove': reactionRemove,
  'receipt.read': receiptRead,
  'receipt.delivered': receiptDelivered,
  typing,
  'presence.watch': presenceWatch,
  'presence.unwatch': presenceUnwatch,
  history,
  'client.state': clientState,
  'session.refresh': sessionRefresh,
  ping,
};

interface Entry {
  validator: Validator;
  handle: FrameHandler<ClientFrameType>;
}

const ENTRIES: ReadonlyMap<string, Entry> = new Map(
  Object.entries(CLIENT_FRAMES).map(([type, schema]) => [
    type,
    { validator: Compile(schema) as Validator, handle: HANDLERS[type as ClientFrameType] as FrameHandler<ClientFrameType> },
  ]),
);

/** Turns bytes from a client into calls of the frame handlers, and everything that is wrong with them into catalogued errors. */
export class FrameReader {
  readonly #context: FrameContext;

  constructor(context: FrameContext) {
    this.#context = context;
  }

  read(connection: Connection, data: Buffer, isBinary: boolean): void {
    if (connection.closing) return;
    connection.heard();
    const frame = isBinary ? undefined : parse(data);
    if (frame === undefined) {
      // Whatever sends this does not speak the protocol; guessing at the rest of its frames helps nobody.
      this.#refuse(connection, undefined, new ChatError(isBinary ? 'CHAT_ERR_BINARY_FRAME' : 'CHAT_ERR_BAD_JSON'));
      connection.close('badFrame');
      return;
    }
    const ref = readRef(frame);
    const wait = connection.takeToken(this.#context.clock.monotonic());
    if (connection.closing) return;
    if (wait > 0) {
      this.#refuse(connection, ref, new ChatError('CHAT_ERR_RATE_LIMITED', undefined, { retryAfterMs: wait }));
      return;
    }
    const entry = this.#entryFor(frame);
    if (entry instanceof ChatError) {
      this.#refuse(connection, ref, entry);
      return;
    }
    this.#context.metrics.framesReceived.inc({ type: (frame as ClientFrame).type });
    this.#handle(entry, connection, frame as ClientFrame);
  }

  /** The entry whose schema the frame meets, or what is wrong with it. */
  #entryFor(frame: object): Entry | ChatError {
    const { type } = frame as { type?: unknown };
    if (typeof type !== 'string') return new ChatError('CHAT_ERR_BAD_FRAME', 'type must be a string');
    const entry = ENTRIES.get(type);
    if (entry === undefined) return new ChatError('CHAT_ERR_UNKNOWN_FRAME');
    return entry.validator.Check(frame) ? entry : new ChatError('CHAT_ERR_BAD_FRAME', firstComplaint(entry.validator, frame));
  }

  #refuse(connection: Connection, ref: Ref | undefined, error: ChatError): void {
    replyError(this.#context, connection, ref, error);
  }

  #handle(entry: Entry, connection: Connection, frame: ClientFrame): void {
    try {
      entry.handle(this.#context, connection, frame)?.catch((error: unknown) => replyError(this.#context, connection, frame.ref, error));
    } catch (error) {
      replyError(this.#context, connection, frame.ref, error);
    }
  }
}

function parse(data: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The ref of a frame that may be wrong in every other way, so that its error can still be matched. */
function readRef(frame: object): Ref | undefined {
  const { ref } = frame as { ref?: unknown };
  if (typeof ref === 'string' && ref.length <= 64) return ref;
  return Number.isSafeInteger(ref) && (ref as number) >= 0 ? (ref as number) : undefined;
}

function firstComplaint(validator: Validator, frame: unknown): string {
  const [first] = validator.Errors(frame);
  if (first === undefined) return 'The frame does not have the shape its type needs';
  const where = first.instancePath === '' ? 'frame' : first.instancePath.slice(1).replaceAll('/', '.').slice(0, 100);
  return `${where} ${first.message}`;
}
