import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../shared/service/clock.ts';
import { ConfigError } from '../../shared/service/config.ts';
import type { Engine, EngineLog, StoreLimits } from '../engine.ts';
import { EmbeddedBus } from './bus.ts';
import { openForWriting } from './connection.ts';
import { DataLock } from './lock.ts';
import { DATABASE_FILE, migrate } from './schema.ts';
import { EmbeddedStore } from './store.ts';

/** What the embedded engine is opened with. */
export interface EmbeddedOptions {
  /** Folder of the data; made when missing. One server process may use it at a time. */
  dataDir: string;
  limits: StoreLimits;
  clock?: Clock;
  log?: EngineLog;
  /** Beside a running server: no lock; sessions and keys can be changed, conversations only read. */
  shareData?: boolean;
  /** Largest size of the database, pages of 4 KiB; default: what the disk holds. */
  maxPages?: number;
}

/** Makes the database file if it is missing. It holds the signing keys, so it is the owner's alone, and its companions take its mode. */
function makePrivate(path: string): void {
  try {
    // Never opens one that exists: closing it again would drop the locks other connections of this process hold on it.
    closeSync(openSync(path, 'ax', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * The engine for one machine: SQLite in a folder, topics in the process. Throws `ConfigError` with one line when the folder cannot be
 * used, is used by another server, or holds data of a newer version.
 */
export async function openEmbeddedEngine(options: EmbeddedOptions): Promise<Engine> {
  const { dataDir, limits, clock = systemClock, log, shareData = false, maxPages } = options;
  const path = join(dataDir, DATABASE_FILE);
  const sized = maxPages === undefined ? {} : { maxPages };
  const logged = log === undefined ? {} : { log };
  let lock: DataLock | undefined;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    if (!shareData) lock = DataLock.take(dataDir);
    makePrivate(path);
    const db = openForWriting(path, sized);
    try {
      migrate(db, shareData);
    } finally {
      db.close();
    }
    const bus = new EmbeddedBus(clock, log);
    const publish = (topic: string, text: string) => bus.deliver(topic, text);
    const store = await EmbeddedStore.open({ path, limits, clock, publish, beside: shareData, ...sized, ...logged });
    let closing: Promise<void> | undefined;
    const close = async () => {
      await store.close();
      await bus.close();
      lock?.release();
    };
    return { kind: 'embedded', store, bus, close: () => (closing ??= close()) };
  } catch (error) {
    lock?.release();
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`DATA_DIR is ${JSON.stringify(dataDir)}, but it cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
