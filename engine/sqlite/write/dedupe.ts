import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { KEY_BUCKET_MS, KEY_MARGIN_MS, KEY_MS } from '../../engine.ts';
import { Query } from '../rows.ts';
import type { ConversationState } from './conversations.ts';

/** Rows one transaction prunes at most. */
const PRUNE_ROWS = 1000;

/** Idempotency keys in buckets by the time they came at. Buckets that nobody asks for are pruned in small steps. */
export class Dedupe {
  readonly #find: Query<{ seq: 'integer' }>;
  readonly #insert: StatementSync;
  readonly #oldest: Query<{ bucket: 'integer?' }>;
  readonly #prune: StatementSync;
  #newestBucket = 0;
  /** No key is older; undefined while there may be keys to prune. */
  #oldestBucket: number | undefined;

  constructor(db: DatabaseSync) {
    const one = 'bucket = ? AND conversation = ? AND actor = ? AND key = ?';
    this.#find = new Query(db, { seq: 'integer' }, `SELECT seq FROM dedupe WHERE ${one}`);
    this.#insert = db.prepare('INSERT INTO dedupe VALUES (?, ?, ?, ?, ?)');
    this.#oldest = new Query(db, { bucket: 'integer?' }, 'SELECT min(bucket) bucket FROM dedupe');
    this.#prune = db.prepare(
      `DELETE FROM dedupe WHERE (bucket, conversation, actor, key) IN
        (SELECT bucket, conversation, actor, key FROM dedupe WHERE bucket < ? LIMIT ${PRUNE_ROWS})`,
    );
  }

  /** The seq that a commit with this key made in the `KEY_MS` before, or a moment later by a clock that is ahead. */
  find(conversation: ConversationState, actorId: string, key: string, at: number): number | undefined {
    const first = Math.max(bucketOf(at - KEY_MS - KEY_MARGIN_MS), this.#oldestBucket ?? 0);
    for (let bucket = bucketOf(at + KEY_MARGIN_MS); bucket >= first; bucket--) {
      const found = this.#find.get(bucket, conversation.n, actorId, key);
      if (found !== undefined) return found.seq;
    }
    return undefined;
  }

  insert(conversation: ConversationState, actorId: string, key: string, at: number, seq: number): void {
    const bucket = bucketOf(at);
    if (bucket > this.#newestBucket) this.#newestBucket = bucket;
    if (this.#oldestBucket !== undefined && bucket < this.#oldestBucket) this.#oldestBucket = bucket;
    this.#insert.run(bucket, conversation.n, actorId, key, seq);
  }

  /** Forgets how far pruning has come, and the newest key: after a rollback neither may be so. */
  reset(): void {
    this.#newestBucket = 0;
    this.#oldestBucket = undefined;
  }

  /** Drops some keys of buckets that have passed; called once a transaction. */
  prune(): void {
    if (this.#newestBucket === 0) return;
    const keepFrom = this.#newestBucket - 1;
    if (this.#oldestBucket !== undefined && this.#oldestBucket >= keepFrom) return;
    const oldest = this.#oldest.get()?.bucket ?? keepFrom;
    if (oldest >= keepFrom) this.#oldestBucket = oldest;
    else this.#prune.run(keepFrom);
  }
}

function bucketOf(at: number): number {
  return Math.floor(at / KEY_BUCKET_MS);
}
