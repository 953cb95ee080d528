import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Reads of the log. Rows hold each event as it is to be read now, so a page is what the disk holds. */
export class LogReads {
  readonly #forward: StatementSync;
  readonly #back: StatementSync;
  readonly #messagesForward: StatementSync;
  readonly #messagesBack: StatementSync;

  constructor(db: DatabaseSync) {
    const between = 'FROM log WHERE key > (?1 << 32) | ?2 AND key < (?1 << 32) | ?3';
    this.#forward = db.prepare(`SELECT text ${between} ORDER BY key LIMIT ?4`);
    this.#back = db.prepare(`SELECT text ${between} ORDER BY key DESC LIMIT ?4`);
    this.#messagesForward = db.prepare(`SELECT text ${between} AND is_message ORDER BY key LIMIT ?4`);
    this.#messagesBack = db.prepare(`SELECT text ${between} AND is_message ORDER BY key DESC LIMIT ?4`);
  }

  /** Texts after `after` up to `head`, ascending. */
  forward(n: number, after: number, head: number, limit: number, messagesOnly = false): string[] {
    if (after >= head) return [];
    return texts((messagesOnly ? this.#messagesForward : this.#forward).all(n, after, head + 1, limit));
  }

  /** Texts before `before`, descending. */
  back(n: number, before: number, limit: number, messagesOnly = false): string[] {
    return texts((messagesOnly ? this.#messagesBack : this.#back).all(n, 0, before, limit));
  }
}

function texts(rows: readonly Record<string, unknown>[]): string[] {
  return rows.map((row) => row['text'] as string);
}
