import { ChatClientError } from './errors.ts';
import type { Places } from './feeds.ts';
import type { OutboxEntry } from './outbox.ts';
import type { ClientClock } from './platform.ts';
import type { ChatStorage } from './storage.ts';

const VERSION = 1;
/** Most may be written late: after a crash some events are delivered again, and the server recognises what is sent again. */
const WRITE_EVERY_MS = 500;

/** What an earlier run left. */
export interface Restored {
  /** Whose it is. */
  userId: string | undefined;
  places: Places;
  outbox: OutboxEntry[];
}

/** Surroundings of the persistence. */
export interface PersistenceOptions {
  /** Absent: nothing is kept. */
  storage: ChatStorage | undefined;
  /** Prefix of the two keys. */
  key: string;
  clock: ClientClock;
  /** What to write, asked for when it is written. */
  snapshot(): { userId: string | undefined; places: Places; outbox: OutboxEntry[] };
  onError(error: ChatClientError): void;
}

/**
 * Writes cursors and outbox. Changes that come while a write is under way are one more write, not many; the outbox goes first, so that a
 * stored cursor never runs ahead of the message it covers.
 */
export class Persistence {
  private readonly options: PersistenceOptions;
  private outboxDirty = false;
  private cursorsDirty = false;
  /** Something changed that must not wait for the timer. */
  private soon = false;
  private timer: unknown;
  private writing: Promise<void> | undefined;

  constructor(options: PersistenceOptions) {
    this.options = options;
  }

  /** Never rejects: what cannot be read is reported and counts as absent. */
  async load(): Promise<Restored> {
    const places = await this.read('cursors', isPlaces);
    const outbox = await this.read('outbox', isOutbox);
    const userId = outbox?.userId ?? places?.userId;
    return {
      userId,
      places: places !== undefined && places.userId === userId ? places.value : { cursors: [] },
      outbox: outbox?.value ?? [],
    };
  }

  /** `soon`: with the next turn; else some time later. */
  outboxChanged(soon: boolean): void {
    this.outboxDirty = true;
    this.changed(soon);
  }

  /** As `outboxChanged`. */
  cursorsChanged(soon: boolean): void {
    this.cursorsDirty = true;
    this.changed(soon);
  }

  /** Resolves when everything changed so far is written, or has failed to be. */
  async flush(): Promise<void> {
    this.options.clock.clearTimeout(this.timer);
    this.timer = undefined;
    await this.writing;
    if (this.options.storage !== undefined && (this.outboxDirty || this.cursorsDirty)) this.begin();
    await this.writing;
  }

  private changed(soon: boolean): void {
    if (this.options.storage === undefined) return;
    this.soon ||= soon;
    this.schedule();
  }

  private schedule(): void {
    if (this.writing !== undefined) return;
    if (this.soon) {
      this.begin();
      return;
    }
    this.timer ??= this.options.clock.setTimeout(() => {
      this.timer = undefined;
      this.begin();
    }, WRITE_EVERY_MS);
  }

  /** One turn later, so that a burst of messages is one write. */
  private begin(): void {
    this.writing ??= Promise.resolve().then(() => this.write());
  }

  private async write(): Promise<void> {
    const { userId, places, outbox } = this.options.snapshot();
    this.soon = false;
    let stored = true;
    if (this.outboxDirty) {
      this.outboxDirty = false;
      stored = await this.put('outbox', userId, outbox, outbox.length === 0);
      if (!stored) this.outboxDirty = true;
    }
    if (stored && this.cursorsDirty) {
      this.cursorsDirty = false;
      stored = await this.put('cursors', userId, places, false);
      if (!stored) this.cursorsDirty = true;
    }
    this.writing = undefined;
    // A write that failed is tried again with the next change.
    if (!stored) return;
    if (this.outboxDirty || this.cursorsDirty) this.schedule();
  }

  private async put(name: string, userId: string | undefined, value: unknown, empty: boolean): Promise<boolean> {
    const { storage, key } = this.options;
    try {
      if (empty) await storage?.removeItem(`${key}:${name}`);
      else await storage?.setItem(`${key}:${name}`, JSON.stringify({ version: VERSION, userId, value }));
      return true;
    } catch (cause) {
      this.fail(`The storage did not take the ${name}`, cause);
      return false;
    }
  }

  private async read<T>(
    name: string,
    isValid: (value: unknown) => value is T,
  ): Promise<{ userId: string | undefined; value: T } | undefined> {
    try {
      const text = await this.options.storage?.getItem(`${this.options.key}:${name}`);
      if (text === null || text === undefined) return undefined;
      const stored = JSON.parse(text) as { version?: unknown; userId?: unknown; value?: unknown };
      if (stored.version !== VERSION || !isValid(stored.value)) throw new Error('of another shape');
      return { userId: typeof stored.userId === 'string' ? stored.userId : undefined, value: stored.value };
    } catch (cause) {
      this.fail(`The stored ${name} cannot be read`, cause);
      return undefined;
    }
  }

  private fail(message: string, cause: unknown): void {
    this.options.onError(new ChatClientError('CLIENT_STORAGE', message, { cause }));
  }
}

function isPlaces(value: unknown): value is Places {
  const { since, cursors } = (value ?? {}) as Partial<Places>;
  if (since !== undefined && !Number.isSafeInteger(since)) return false;
  return (
    Array.isArray(cursors) &&
    cursors.every(
      (row) =>
        Array.isArray(row) && typeof row[0] === 'string' && Number.isSafeInteger(row[1]) && row[1] >= 0 && typeof row[2] === 'string',
    )
  );
}

function isOutbox(value: unknown): value is OutboxEntry[] {
  return (
    Array.isArray(value) &&
    value.every(
      (entry) =>
        typeof entry?.conversationId === 'string' &&
        typeof entry.clientMessageId === 'string' &&
        typeof entry.text === 'string' &&
        typeof entry.createdAt === 'number',
    )
  );
}
