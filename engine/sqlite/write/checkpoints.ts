import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The write-ahead log is moved into the database when it holds this many pages of 4 KiB. */
const CHECKPOINT_PAGES = 4000;
/** Older copies of erased content leave the write-ahead log this long after, ms, so that many deletions share the work. */
const ERASE_DELAY_MS = 200;

/** Keeps the write-ahead log short, between transactions, so that no ack waits for it. */
export class Checkpoints {
  readonly #db: DatabaseSync;
  readonly #measure: StatementSync;
  readonly #move: StatementSync;
  readonly #empty: StatementSync;
  #erasing = false;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#measure = db.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.#move = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    this.#empty = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  /** Called after each transaction; `erased` when content was overwritten in it. */
  after(erased: boolean): void {
    if (erased) this.#emptySoon();
    try {
      if (Number(this.#measure.get()?.['log']) >= CHECKPOINT_PAGES) this.#move.get();
    } catch {
      // The disk is full, say. The log stays as it is, and is tried again after the next transaction.
    }
  }

  /** Moves everything out of the log and empties it: it still holds the pages as they were before they were overwritten. */
  #emptySoon(): void {
    if (this.#erasing) return;
    this.#erasing = true;
    setTimeout(() => {
      this.#erasing = false;
      if (this.#db.isOpen && !this.#emptied()) this.#emptySoon();
    }, ERASE_DELAY_MS).unref();
  }

  #emptied(): boolean {
    try {
      return this.#empty.get()?.['busy'] === 0;
    } catch {
      return false;
    }
  }
}
