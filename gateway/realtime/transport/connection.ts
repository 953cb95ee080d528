import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { CLOSE_CODES, type CloseReason } from '../../../shared/close-codes.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { Position } from '../../../shared/event-text.ts';
import type { Ref, ServerFrame } from '../../../shared/frames.ts';
import type { ConversationId, DeviceId, Epoch, SessionId, UserId } from '../../../shared/primitives.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import type { Beating } from './heartbeat-wheel.ts';
import { RateBucket } from './rate-bucket.ts';
import { SendBuffer, type SendBufferContext, type SendBufferOwner } from './send-buffer.ts';
import { jsonFrame, PING_FRAME } from './wire.ts';

/** Who is on the other end, as the access token says. */
export interface ConnectionClaims {
  userId: UserId;
  sessionId: SessionId;
  deviceId: DeviceId;
  /** When the access token expires, Unix ms. */
  expiresAt: number;
}

/** Verifies the token of an upgrade or of `session.refresh`. Throws `ChatError`. */
export interface TokenVerifier {
  authenticate(token: string): Promise<ConnectionClaims>;
}

/** What a connection needs of its process. One object serves all connections. */
export interface ConnectionContext extends SendBufferContext {
  clock: Clock;
  framesPerSecond: number;
  frameBurst: number;
  /** How long an access token lives at most, ms. */
  tokenLifeMs: number;
  /** How long before its token expires a client is warned, ms. */
  expiryWarningMs: number;
  onSlowConsumer(): void;
  detach(connection: Connection): void;
}

/** What a connection needs of a topic that it follows. */
export interface FollowedTopic {
  readonly id: ConversationId;
  leave(connection: Connection): void;
}

/** Says that a conversation is active, to one user. */
export interface ActivationNotice {
  conversationId: ConversationId;
  epoch: Epoch;
  /** First seq that the notice is about: a connection that was in sync before has everything up to the seq before it. */
  from: number;
  until: number;
}

/** Where a connection starts to follow, and how that is known. */
export interface Start {
  place: Position;
  /**
   * `given`: it is the last event that the connection was given. `noticed`: it follows from a notice alone, so earlier events may have
   * been missed. `skipped`: the connection was given less, and the client is told where its events go on.
   */
  origin: 'given' | 'noticed' | 'skipped';
}

/** `fresh` until the first sync; events flow from `syncing` on. */
export type SyncState = 'fresh' | 'syncing' | 'synced';

/** After this many rejected frames in a row the client is closed. */
const PATIENCE = 200;

/** Places remembered. The oldest are forgotten; then the conversation begins with a page that says where. */
const PLACES_MAX = 1000;

/** Reads of the log one connection may have under way: each may bring megabytes. */
const READS = 8;
const READ_RETRY_MS = 500;

/** One WebSocket. Holds no timer and no closure of its own: a process holds tens of thousands of these. */
export class Connection implements Beating, SendBufferOwner {
  readonly id: string;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly deviceId: DeviceId;
  readonly sendBuffer: SendBuffer;
  wheelSlot = 0;
  background = false;
  syncState: SyncState = 'fresh';
  /** Conversations that became active while a sync was running; followed when it is done. */
  noticesDuringSync: Map<ConversationId, ActivationNotice> | undefined;
  /** Its place in conversations that are active but not followed: the user was removed, or it follows too many topics. */
  places: Map<ConversationId, Start> | undefined;
  topics: Set<FollowedTopic> | undefined;
  watching: Set<UserId> | undefined;

  readonly #context: ConnectionContext;
  readonly #ws: WebSocket;
  readonly #rate: RateBucket;
  #refused = 0;
  #reads = 0;
  #answered = true;
  /** When the access token expires: Unix ms, as the client is told, and on the monotonic clock, which decides. */
  #expiresAt = 0;
  #expiryDue = 0;
  #warnedOfExpiry = false;
  #closing = false;

  constructor(context: ConnectionContext, id: string, claims: ConnectionClaims, ws: WebSocket, socket: Socket) {
    this.#context = context;
    this.#ws = ws;
    this.id = id;
    this.userId = claims.userId;
    this.sessionId = claims.sessionId;
    this.deviceId = claims.deviceId;
    this.sendBuffer = new SendBuffer(context, socket, this);
    this.#rate = new RateBucket(context.framesPerSecond, context.frameBurst, context.clock.monotonic());
    this.extend(claims.expiresAt);
  }

  get closing(): boolean {
    return this.#closing;
  }

  send(frame: ServerFrame): void {
    this.sendBuffer.push(jsonFrame(JSON.stringify(frame)));
  }

  ok(ref: Ref | undefined, fields: object = {}): void {
    this.sendBuffer.push(jsonFrame(JSON.stringify(ref === undefined ? { type: 'ok', ...fields } : { type: 'ok', ref, ...fields })));
  }

  error(ref: Ref | undefined, error: ChatError): void {
    this.send(ref === undefined ? { type: 'error', error: error.toBody() } : { type: 'error', ref, error: error.toBody() });
  }

  /** Milliseconds to wait before the next frame, 0 when this one may pass. Closes a client that does not slow down. `at`: monotonic. */
  takeToken(at: number): number {
    const wait = this.#rate.take(at);
    if (wait === 0) this.#refused = 0;
    else if (++this.#refused > PATIENCE) this.close('tooManyFrames');
    return wait;
  }

  /** A read of the log begins. Throws when too many are under way, or the client has not taken what it asked for before. */
  beginRead(): void {
    if (this.#reads >= READS || this.sendBuffer.congested)
      throw new ChatError('CHAT_ERR_RATE_LIMITED', undefined, { retryAfterMs: READ_RETRY_MS });
    this.#reads += 1;
  }

  endRead(): void {
    this.#reads -= 1;
  }

  /** Any byte from the client answers the ping. */
  heard(): void {
    this.#answered = true;
  }

  beat(now: number): void {
    if (now >= this.#expiryDue) {
      this.close('tokenExpired');
      return;
    }
    if (!this.#warnedOfExpiry && now >= this.#expiryDue - this.#context.expiryWarningMs) {
      this.#warnedOfExpiry = true;
      this.send({ type: 'session.expiring', expiresAt: this.#expiresAt });
    }
    this.#answered = false;
    this.sendBuffer.push(PING_FRAME);
  }

  answerDue(_now: number): void {
    if (this.#answered) return;
    // The client is gone, so nobody would answer a close frame.
    this.close('heartbeatLost');
    this.#ws.terminate();
  }

  /** The connection stopped following this conversation here. It is not given the earlier events again. */
  remember(conversationId: ConversationId, start: Start): void {
    this.places ??= new Map();
    this.places.delete(conversationId);
    this.places.set(conversationId, start);
    if (this.places.size <= PLACES_MAX) return;
    for (const oldest of this.places.keys()) {
      this.places.delete(oldest);
      break;
    }
  }

  /**
   * The token is good until then, Unix ms. The rest of its life is kept as a duration, so setting the clock while the socket is open
   * neither closes the connection nor keeps it. A clock that is behind adds no more than one whole life of a token.
   */
  extend(expiresAt: number): void {
    const { clock, tokenLifeMs } = this.#context;
    this.#expiresAt = expiresAt;
    this.#expiryDue = clock.monotonic() + Math.min(expiresAt - clock.now(), tokenLifeMs);
    this.#warnedOfExpiry = false;
  }

  onSlow(): void {
    this.#context.onSlowConsumer();
    this.close('slowConsumer');
  }

  close(reason: CloseReason): void {
    if (this.#closing) return;
    this.#closing = true;
    this.sendBuffer.end();
    this.#context.detach(this);
    const { code, text } = CLOSE_CODES[reason];
    this.#ws.close(code, text);
  }

  /** The socket is gone, or the client closed it. */
  closed(): void {
    this.#closing = true;
    this.sendBuffer.end();
    this.#context.detach(this);
  }
}
