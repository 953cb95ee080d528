import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError } from '../../shared/service/config.ts';

const SQLITE_BUSY = 5;

/** Holds a data folder for one server process. The system lets go of it when the process ends, however it ends. */
export class DataLock {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Throws `ConfigError` when another process, or another engine of this one, holds the folder. */
  static take(dataDir: string): DataLock {
    // SQLite knows how to lock a file on every system; an exclusive transaction that writes nothing is the lock.
    const db = new DatabaseSync(join(dataDir, 'server.lock'), { timeout: 0 });
    try {
      db.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      db.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      throw new ConfigError(`DATA_DIR is ${JSON.stringify(dataDir)}, but another server uses it; stop that one or choose another folder`);
    }
    return new DataLock(db);
  }

  release(): void {
    this.#db.close();
  }
}
