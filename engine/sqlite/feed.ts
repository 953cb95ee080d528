import type { DatabaseSync } from 'node:sqlite';
import { compareCursor } from '../compare-cursor.ts';
import type { Feed, FeedPage, FeedPosition } from '../feed.ts';
import { readOrUnavailable } from './failures.ts';
import { Query } from './rows.ts';

const POINTER = { n: 'integer', conversationId: 'text', epoch: 'text', seq: 'integer', name: 'text', at: 'integer' } as const;
const STATE = { term: 'text', forks: 'text', newest: 'integer?' } as const;

/** The feed of a database: one partition. */
export class EmbeddedFeed implements Feed {
  readonly partitions = 1;
  readonly #state: Query<typeof STATE>;
  readonly #after: Query<typeof POINTER>;

  constructor(db: DatabaseSync) {
    this.#state = new Query(db, STATE, 'SELECT leader_term term, feed_forks forks, (SELECT max(n) FROM feed) newest FROM store');
    this.#after = new Query(
      db,
      POINTER,
      `SELECT f.n, c.id conversationId, f.epoch, f.seq, f.name, f.at FROM feed f JOIN conversation c ON c.n = f.conversation
        WHERE f.n > ?1 AND f.n <= ?2 ORDER BY f.n LIMIT ?3`,
    );
  }

  async read(_partition: number, after: FeedPosition | undefined, limit: number): Promise<FeedPage> {
    return readOrUnavailable(() => this.#read(after, limit));
  }

  #read(after: FeedPosition | undefined, limit: number): FeedPage {
    const state = this.#state.get();
    if (state === undefined) throw new Error('the table store is empty');
    const { term } = state;
    const newest = state.newest ?? 0;
    const history = { head: newest, epoch: term, forks: JSON.parse(state.forks) };
    const isReset = after !== undefined && compareCursor(history, { seq: after.n, epoch: after.term }) !== 'ok';
    const from = after === undefined || isReset ? 0 : after.n;
    const rows = this.#after.all(from, newest, limit);
    const n = rows.at(-1)?.n ?? from;
    const pointers = rows.map(({ n: _, ...pointer }) => pointer);
    const page: FeedPage = { pointers, position: { term, n }, hasMore: n < newest };
    if (isReset) return { ...page, gap: 'reset' };
    // Pointers are numbered without gaps, so a first one that is not the next says that those between are gone.
    const isTrimmed = after !== undefined && rows[0] !== undefined && rows[0].n > after.n + 1;
    return isTrimmed ? { ...page, gap: 'trimmed' } : page;
  }
}
