import { type Retrying, retryWait } from './backoff.ts';
import type { Reply } from './connection.ts';
import { ChatClientError } from './errors.ts';
import type { Feed } from './feed.ts';
import { isSound } from './sound.ts';
import type { ClientFrameFields, ServerFrameOf } from './wire.ts';

const PAGE = 200;
const AT_ONCE = 4;
/** Errors after which nothing more of a conversation can be read. */
const GONE = new Set(['CHAT_ERR_NOT_MEMBER', 'CHAT_ERR_CONVERSATION_NOT_FOUND']);

/** Surroundings of the catch-up. */
export interface CatchUpOptions extends Retrying {
  /** Asks the server; undefined while there is no connection to ask. */
  request: ((type: 'history', fields: ClientFrameFields['history']) => Promise<Reply>) | undefined;
  onError(error: ChatClientError): void;
}

interface Job {
  feed: Feed;
  running: boolean;
  failures: number;
  timer: unknown;
}

/** Reads what feeds miss from the log, a few conversations at a time, page by page until each stands at its head. */
export class CatchUp {
  private readonly options: CatchUpOptions;
  private readonly jobs = new Map<Feed, Job>();
  private running = 0;
  private generation = 0;

  constructor(options: CatchUpOptions) {
    this.options = options;
  }

  /** This feed misses events. Safe to call as often as it is noticed. */
  want(feed: Feed): void {
    if (this.options.request === undefined || this.jobs.has(feed)) return;
    this.jobs.set(feed, { feed, running: false, failures: 0, timer: undefined });
    this.pump();
  }

  /** There is a connection to ask. */
  start(request: NonNullable<CatchUpOptions['request']>): void {
    this.options.request = request;
  }

  /** The connection is gone. The next sync says again what is missing. */
  stop(): void {
    this.options.request = undefined;
    this.generation++;
    this.running = 0;
    for (const job of this.jobs.values()) this.options.clock.clearTimeout(job.timer);
    this.jobs.clear();
  }

  private pump(): void {
    for (const job of this.jobs.values()) {
      if (this.running >= AT_ONCE) return;
      if (!job.running && job.timer === undefined) void this.read(job);
    }
  }

  private async read(job: Job): Promise<void> {
    const { feed } = job;
    const { request } = this.options;
    // A full feed asks again when the app has taken what waits.
    if (request === undefined || !feed.behind || !feed.roomy) {
      this.jobs.delete(feed);
      return;
    }
    const { generation } = this;
    const before = feed.tail;
    const { timesJoined } = feed;
    job.running = true;
    this.running++;
    let failure: ChatClientError | undefined;
    try {
      const reply = (await request('history', { conversationId: feed.conversationId, after: before, limit: PAGE })) as ServerFrameOf<'ok'>;
      if (generation !== this.generation) return;
      feed.fill({ ...reply, events: (reply.events ?? []).filter(isSound) });
      if (feed.behind && feed.tail === before) {
        failure = new ChatClientError('CLIENT_PROTOCOL', `The log of ${feed.conversationId} does not go on after ${before}`, {
          temporary: true,
        });
      }
    } catch (error) {
      if (generation !== this.generation) return;
      failure = error as ChatClientError;
    }
    job.running = false;
    this.running--;
    if (failure !== undefined) this.failed(job, failure, feed.timesJoined > timesJoined);
    else job.failures = 0;
    this.pump();
  }

  /** @param rejoined the user was let in after the read was asked for. */
  private failed(job: Job, error: ChatClientError, rejoined: boolean): void {
    const isOut = GONE.has(error.code);
    if (!isOut || !rejoined) this.options.onError(error);
    if (isOut && !rejoined) {
      this.jobs.delete(job.feed);
      job.feed.leave();
      return;
    }
    job.timer = this.options.clock.setTimeout(
      () => {
        job.timer = undefined;
        this.pump();
      },
      retryWait(error, job.failures++, this.options),
    );
  }
}
