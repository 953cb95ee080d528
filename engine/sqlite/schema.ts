import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { ConfigError } from '../../shared/service/config.ts';
import { forkAtHead } from '../compare-cursor.ts';
import { Query } from './rows.ts';

/** Name of the database inside the data folder. */
export const DATABASE_FILE = 'chat.db';

/** `PRAGMA user_version` of a database with this schema. Version 1 was another layout, never released. */
const VERSION = 2;

/**
 * A log row is found by `key`, its conversation's number and its seq in one integer: appends to one conversation are neighbours in the
 * tree, and rows are compared as integers. `text` is the event as it reads now, without its tally: what is rewritten is overwritten, so a
 * deletion leaves no copy behind. `messages` counts the messages up to the row.
 */
const SCHEMA = `
  CREATE TABLE store (
    leader_term TEXT NOT NULL,
    feed_forks TEXT NOT NULL -- JSON: earlier leader terms, and the last pointer that each shares with the feed
  ) STRICT;

  CREATE TABLE conversation (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL, -- JSON object of texts
    epoch TEXT NOT NULL,
    forks TEXT NOT NULL, -- JSON: see Forks
    leader_term TEXT NOT NULL, -- the term of the newest event
    updated_at INTEGER NOT NULL,
    head INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    members INTEGER NOT NULL,
    members_version INTEGER NOT NULL,
    active_until INTEGER NOT NULL,
    active_from INTEGER NOT NULL,
    notify_from INTEGER NOT NULL,
    added_seq INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE member (
    conversation INTEGER NOT NULL,
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    joined_seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    read_seq INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE user_conversation (
    user TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    PRIMARY KEY (user, conversation_id)
  ) STRICT, WITHOUT ROWID;

  -- What was recorded of a user, a member or not: only a member reads it.
  CREATE TABLE active_conversation (
    user TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    active_until INTEGER NOT NULL,
    PRIMARY KEY (user, conversation_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE log (
    key INTEGER PRIMARY KEY, -- conversation << 32 | seq
    kind INTEGER NOT NULL, -- 0: event, 1: message, 2: tombstone
    revision INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    text TEXT NOT NULL,
    tally TEXT -- JSON: what reads show of the tally; NULL for none
  ) STRICT;

  CREATE TABLE attachment (
    entry INTEGER NOT NULL, -- key of a log row
    event INTEGER NOT NULL, -- key of the log row that is attached to it
    PRIMARY KEY (entry, event)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tally (
    entry INTEGER NOT NULL, -- key of a log row
    "group" TEXT NOT NULL,
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (entry, "group", user)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE dedupe (
    bucket INTEGER NOT NULL, -- time of the commit / KEY_BUCKET_MS
    conversation INTEGER NOT NULL,
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (bucket, conversation, actor, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE feed (
    n INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE session (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    device TEXT NOT NULL,
    device_name TEXT,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    refresh_hash TEXT NOT NULL,
    previous_hash TEXT,
    rotated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX session_of_user ON session (user);
  CREATE INDEX session_expiry ON session (expires_at);

  CREATE TABLE partner_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    secret_hash TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE health (pings INTEGER NOT NULL) STRICT;
  INSERT INTO health VALUES (0);
`;

/**
 * Makes the schema in an empty database. Throws `ConfigError` for a database of another layout.
 *
 * A store that was restored from a copy may lack what clients have seen. `renewLeaderTerm` begins a new term: each log then forks at its
 * next event, and the feed at once. Without it the term stays, so that a restart costs no client its place.
 */
export function migrate(db: DatabaseSync, { renewLeaderTerm = false }: { renewLeaderTerm?: boolean } = {}): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > VERSION) {
      throw new ConfigError(
        `DATA_DIR holds data of a newer version (schema ${version}, this code knows ${VERSION}); run the newer version of Connect Chat`,
      );
    }
    if (version > 0 && version < VERSION) {
      throw new ConfigError(
        `DATA_DIR holds data of an older layout (schema ${version}) that this version cannot read; choose another folder, or empty this one`,
      );
    }
    if (version === 0) {
      db.exec(SCHEMA);
      db.prepare('INSERT INTO store VALUES (?, ?)').run(newLeaderTerm(), '[]');
      db.exec(`PRAGMA user_version = ${VERSION}`);
    } else if (renewLeaderTerm) beginLeaderTerm(db);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function beginLeaderTerm(db: DatabaseSync): void {
  const columns = { leaderTerm: 'text', feedForks: 'text', newest: 'integer' } as const;
  const newest = '(SELECT coalesce(max(n), 0) FROM feed)';
  const store = new Query(db, columns, `SELECT leader_term leaderTerm, feed_forks feedForks, ${newest} newest FROM store`).get();
  if (store === undefined) throw new Error('the table store is empty');
  const forks = forkAtHead({ head: store.newest, epoch: store.leaderTerm, forks: JSON.parse(store.feedForks) });
  db.prepare('UPDATE store SET leader_term = ?, feed_forks = ?').run(newLeaderTerm(), JSON.stringify(forks));
}

function newLeaderTerm(): string {
  return randomBytes(9).toString('base64url');
}
