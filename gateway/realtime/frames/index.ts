import { ChatError } from '../../../shared/errors.ts';
import { CLIENT_FRAMES, type ClientFrame, type ClientFrameType, type ConnectionFrameType, type Ref } from '../../../shared/frames.ts';
import { checkOf, describeComplaints, type SchemaCheck } from '../../../shared/schema-check.ts';
import type { Connection } from '../transport/connection.ts';
import { clientState } from './client-state.ts';
import { type FrameContext, type FrameHandler, replyError } from './frame.ts';
import { history } from './history.ts';
import { operationHandler } from './operation.ts';
import { ping } from './ping.ts';
import { presenceUnwatch } from './presence-unwatch.ts';
import { presenceWatch } from './presence-watch.ts';
import { sessionRefresh } from './session-refresh.ts';
import { sync } from './sync.ts';

export type { FrameContext } from './frame.ts';

const CONNECTION_HANDLERS: { [N in ConnectionFrameType]: FrameHandler<N> } = {
  sync,
  'presence.watch': presenceWatch,
  'presence.unwatch': presenceUnwatch,
  history,
  'client.state': clientState,
  'session.refresh': sessionRefresh,
  ping,
};

interface Entry {
  check: SchemaCheck;
  handle: FrameHandler<ClientFrameType>;
}

function handlerOf(type: ClientFrameType): FrameHandler<ClientFrameType> {
  const handler = isConnectionFrame(type) ? CONNECTION_HANDLERS[type] : operationHandler(type);
  return handler as FrameHandler<ClientFrameType>;
}

function isConnectionFrame(type: ClientFrameType): type is ConnectionFrameType {
  return Object.hasOwn(CONNECTION_HANDLERS, type);
}

const ENTRIES: ReadonlyMap<string, Entry> = new Map(
  Object.entries(CLIENT_FRAMES).map(([type, schema]) => [type, { check: checkOf(schema), handle: handlerOf(type as ClientFrameType) }]),
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
      // The sender does not speak the protocol. Guessing at its other frames helps nobody.
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
    if (entry.check.accepts(frame)) return entry;
    return new ChatError('CHAT_ERR_BAD_FRAME', describeComplaints('frame', entry.check.complaints(frame)));
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
