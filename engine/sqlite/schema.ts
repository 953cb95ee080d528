import type { DatabaseSync } from 'node:sqlite';
import { ConfigError } from '../../shared/service/config.ts';

/** Name of the database inside the data folder. */
export const DATABASE_FILE = 'chat.db';

/**
 * The schema, as the steps that lead to it: step i brings a database from version i to i + 1 (`PRAGMA user_version`). Steps that were
 * released are never changed.
 *
 * A log row is found by `key`, its conversation's number and its seq in one integer: appends to one conversation are neighbours in the
 * tree, and rows are compared as integers. `text` is the event as it is to be read now: edits and reactions are written into the row of
 * their message, so reading needs no assembly and a deletion leaves no copy behind. `messages` counts the messages up to the row.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE conversation (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    title TEXT,
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    head INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    members INTEGER NOT NULL,
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
    read_seq INTEGER NOT NULL,
    read_messages INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE user_conversation (
    user TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    active_until INTEGER NOT NULL,
    PRIMARY KEY (user, conversation_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE log (
    key INTEGER PRIMARY KEY, -- conversation << 32 | seq
    is_message INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    text TEXT NOT NULL
  ) STRICT;

  CREATE TABLE edit (
    message INTEGER NOT NULL, -- key of the message.created row
    edit INTEGER NOT NULL, -- key of a message.edited row
    PRIMARY KEY (message, edit)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE reaction (
    message INTEGER NOT NULL, -- key of the message.created row
    emoji TEXT NOT NULL,
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (message, emoji, user)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE dedupe (
    day INTEGER NOT NULL, -- days since 1970, of the time of the command
    conversation INTEGER NOT NULL,
    actor TEXT NOT NULL,
    client_message_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (day, conversation, actor, client_message_id)
  ) STRICT, WITHOUT ROWID;

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
  `,
  `
  -- Place in the list of the member.added event of joined_seq.
  ALTER TABLE member ADD COLUMN joined_place INTEGER NOT NULL DEFAULT 0;

  -- What was written down for a user, a member or not: only a member reads it.
  CREATE TABLE active_conversation (
    user TEXT NOT NULL,
    conversation INTEGER NOT NULL,
    active_until INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO active_conversation SELECT user, conversation, active_until FROM user_conversation WHERE active_until > 0;
  ALTER TABLE user_conversation DROP COLUMN active_until;
  `,
];

/**
 * Brings a database to the schema of this code. Throws `ConfigError` for one that is newer, and, with `beside` (a server may be
 * running on it), for one that is older.
 */
export function migrate(db: DatabaseSync, beside = false): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > STEPS.length) {
      throw new ConfigError(
        `DATA_DIR holds data of a newer version (schema ${version}, this code knows ${STEPS.length}); run the newer version of Connect Chat`,
      );
    }
    if (beside && version > 0 && version < STEPS.length) {
      throw new ConfigError('DATA_DIR holds data of an older version; start the server of this version once to upgrade it');
    }
    if (version < STEPS.length) {
      for (const step of STEPS.slice(version)) db.exec(step);
      db.exec(`PRAGMA user_version = ${STEPS.length}`);
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
