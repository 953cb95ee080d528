import { DatabaseSync } from 'node:sqlite';

/** How long a connection waits for another process (an administration command) that holds the write lock, ms. */
const BUSY_TIMEOUT_MS = 5000;
const CACHE_KIB = 32_768;

/** How the database is opened for writing. */
export interface WriteOptions {
  /** Largest size of the database, pages of 4 KiB; default: what the disk holds. */
  maxPages?: number;
}

/**
 * The connection that writes: every commit is on the disk before it returns, and what is deleted is overwritten. Checkpoints are the
 * caller's to do, so that no commit waits for one.
 */
export function openForWriting(path: string, options: WriteOptions = {}): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA journal_size_limit = 67108864;
      PRAGMA wal_autocheckpoint = 0;
    `);
    if (options.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${options.maxPages}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A connection that only reads; each statement sees everything committed before it started. */
export function openForReading(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
  return db;
}
