import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Engine } from '../../engine/engine.ts';
import { type EmbeddedOptions, openEmbeddedEngine } from '../../engine/sqlite/engine.ts';
import { ManualClock } from './manual-clock.ts';

/** A folder that is gone after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'connect-chat-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens an embedded engine, by default on data of its own, and closes it after the test. */
export async function openEmbedded(t: TestContext, options: Partial<EmbeddedOptions> = {}): Promise<Engine & { dataDir: string }> {
  const dataDir = options.dataDir ?? (await temporaryFolder(t));
  const engine = await openEmbeddedEngine({ clock: new ManualClock(), ...options, dataDir });
  t.after(() => engine.close());
  return { ...engine, dataDir };
}
