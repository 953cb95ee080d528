import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../shared/service/clock.ts';
import { ConfigError } from '../../shared/service/config.ts';
import { DEFAULT_FEED_DAYS, type Engine, type EngineLog } from '../engine.ts';
import { EmbeddedBus } from './bus.ts';
import { openForReading, openForWriting } from './connection.ts';
import { EmbeddedConversationLog } from './conversation-log.ts';
import { EmbeddedFeed } from './feed.ts';
import { DataLock } from './lock.ts';
import { DATABASE_FILE, migrate } from './schema.ts';
import { EmbeddedStore } from './store.ts';
import type { WriterData } from './write/jobs.ts';
import { Writer, type WriterOptions } from './writer.ts';

/** What the embedded engine is opened with. */
export interface EmbeddedOptions {
  /** Folder of the data; made when missing. One server process may use it at a time. */
  dataDir: string;
  /** Days for which the feed keeps its pointers; default: `DEFAULT_FEED_DAYS`. */
  feedDays?: number;
  clock?: Clock;
  log?: EngineLog;
  /** Beside a running server: no lock; sessions and keys can be changed, conversations only read. */
  shareData?: boolean;
  /**
   * The data was restored from a copy, which may lack what clients have seen: begin a new leader term, so that no log goes on as if nothing
   * had been lost. A restart on data that is whole must not, since clients find their places again in the last 16 terms only.
   */
  renewLeaderTerm?: boolean;
  /** Largest size of the database, pages of 4 KiB; default: what the disk holds. */
  maxPages?: number;
}

/** Makes the database file if it is missing. It holds the signing keys, so only the user of this process may read it, and its companions take its mode. */
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
 * used, is used by another server, or holds data of another layout.
 */
export async function openEmbeddedEngine(options: EmbeddedOptions): Promise<Engine> {
  const { dataDir, feedDays = DEFAULT_FEED_DAYS, clock = systemClock, log, shareData = false, renewLeaderTerm = false, maxPages } = options;
  const path = join(dataDir, DATABASE_FILE);
  const sized = maxPages === undefined ? {} : { maxPages };
  let lock: DataLock | undefined;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    if (!shareData) lock = DataLock.take(dataDir);
    makePrivate(path);
    const db = openForWriting(path, sized);
    try {
      migrate(db, { renewLeaderTerm });
    } finally {
      db.close();
    }
    const bus = new EmbeddedBus(clock, log);
    const publish = (topic: string, text: string) => bus.deliver(topic, text);
    const writerOptions = { publish, beside: shareData, ...(log === undefined ? {} : { log }) };
    const parts = await openParts({ path, feedDays, ...sized }, writerOptions, clock);
    let closing: Promise<void> | undefined;
    const close = async () => {
      await parts.store.close();
      await bus.close();
      lock?.release();
    };
    return { kind: 'embedded', ...parts, bus, close: () => (closing ??= close()) };
  } catch (error) {
    lock?.release();
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`DATA_DIR is ${JSON.stringify(dataDir)}, but it cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function openParts(data: WriterData, options: WriterOptions, clock: Clock): Promise<Pick<Engine, 'store' | 'log' | 'feed'>> {
  const writer = new Writer(data, options);
  await writer.open();
  try {
    const db = openForReading(data.path);
    return { store: new EmbeddedStore(writer, db, clock), log: new EmbeddedConversationLog(writer, db), feed: new EmbeddedFeed(db) };
  } catch (error) {
    await writer.close();
    throw error;
  }
}
