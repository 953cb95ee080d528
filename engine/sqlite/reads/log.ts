import type { DatabaseSync } from 'node:sqlite';
import { withTally } from '../../../shared/event-text.ts';
import { Query, type RowOf } from '../rows.ts';

const SHOWN = { text: 'text', tally: 'text?' } as const;

/** Reads of the log, as texts that show each entry with its tally. */
export class LogReads {
  readonly #forward: Query<typeof SHOWN>;
  readonly #back: Query<typeof SHOWN>;
  readonly #messagesForward: Query<typeof SHOWN>;
  readonly #messagesBack: Query<typeof SHOWN>;

  constructor(db: DatabaseSync) {
    const between = 'SELECT text, tally FROM log WHERE key > (?1 << 32) | ?2 AND key < (?1 << 32) | ?3';
    this.#forward = new Query(db, SHOWN, `${between} ORDER BY key LIMIT ?4`);
    this.#back = new Query(db, SHOWN, `${between} ORDER BY key DESC LIMIT ?4`);
    this.#messagesForward = new Query(db, SHOWN, `${between} AND kind > 0 ORDER BY key LIMIT ?4`);
    this.#messagesBack = new Query(db, SHOWN, `${between} AND kind > 0 ORDER BY key DESC LIMIT ?4`);
  }

  /** Texts after `after` up to `head`, ascending. */
  forward(n: number, after: number, head: number, limit: number, messagesOnly = false): string[] {
    if (after >= head) return [];
    return (messagesOnly ? this.#messagesForward : this.#forward).all(n, after, head + 1, limit).map(shown);
  }

  /** Texts before `before`, descending. */
  back(n: number, before: number, limit: number, messagesOnly = false): string[] {
    return (messagesOnly ? this.#messagesBack : this.#back).all(n, 0, before, limit).map(shown);
  }
}

function shown({ text, tally }: RowOf<typeof SHOWN>): string {
  return tally === null ? text : withTally(text, JSON.parse(tally));
}
