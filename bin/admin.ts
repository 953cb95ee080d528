import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Type from 'typebox';
import { openEngine } from '../engine/open-engine.ts';
import type { KeyStore, SigningKey } from '../engine/store.ts';
import { ALL_SCOPES, PartnerKeys } from '../gateway/auth/partner-keys.ts';
import { createSigningKey } from '../gateway/auth/signing-key.ts';
import { PUBLISH_AHEAD_MS } from '../gateway/auth/signing-keys.ts';
import { SCOPES, type Scope } from '../shared/scopes.ts';
import { systemClock } from '../shared/service/clock.ts';
import { ConfigError, commonVariables, loadConfig, splitList, usesRedis } from '../shared/service/config.ts';

/** `npm run admin`: partner keys and signing keys, in the data of a server that may be running. */

const USAGE = `Usage: npm run admin -- <command>

  keys create --name NAME [--scopes a,b]   Make a partner key; its secret is shown once. All scopes unless told.
  keys list                                Show partner keys, without their secrets.
  keys revoke ID                           A partner key stops working at once.
  signing-keys list                        Show the keys of access tokens, newest first.
  signing-keys rotate [--drop-old]         Add a key. It signs in ${PUBLISH_AHEAD_MS / 60_000} minutes, when every gateway knows it; tokens signed before stay
                                           good. --drop-old, for a key that leaked, makes all of those worthless within a minute.

Scopes:
${Object.entries(SCOPES)
  .map(([scope, meaning]) => `  ${scope.padEnd(21)}${meaning}`)
  .join('\n')}

Environment: REDIS_URL or REDIS_CLUSTER_URLS for a cluster, else DATA_DIR (./data) of a server started with npm start.`;

/** A mistake in the command line: usage is shown with it. */
class UsageError extends Error {}

/** An old key is kept while tokens it signed may be in use: the longest life JWT_ACCESS_SECONDS allows, and the time to switch. */
const KEEP_MS = 24 * 3_600_000 + 2 * PUBLISH_AHEAD_MS;

const clock = systemClock;

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  if (error instanceof UsageError) console.error(`\n${USAGE}`);
  process.exit(1);
}

async function main(argv: string[]): Promise<void> {
  const { values, positionals } = parse(argv);
  if (values.help || positionals.length === 0) return console.log(USAGE);
  const command = positionals.slice(0, 2).join(' ');
  const rest = positionals.slice(2);
  const [id, ...surplus] = rest;
  const run = new Map<string, (store: KeyStore) => Promise<void>>([
    ['keys create', (store) => createKey(store, values.name, values.scopes)],
    ['keys list', listKeys],
    ['keys revoke', (store) => revokeKey(store, id)],
    ['signing-keys list', listSigningKeys],
    ['signing-keys rotate', (store) => rotate(store, values['drop-old'] ?? false)],
  ]).get(command);
  if (run === undefined) throw new UsageError(`There is no command "${positionals.join(' ')}".`);
  if (surplus.length > 0 || (id !== undefined && command !== 'keys revoke'))
    throw new UsageError(`"${command}" does not take "${rest.at(-1)}".`);
  await withStore(run);
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        name: { type: 'string' },
        scopes: { type: 'string' },
        'drop-old': { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function withStore(run: (store: KeyStore) => Promise<void>): Promise<void> {
  const config = loadConfig(Type.Object(commonVariables), process.env);
  const dataDir = resolve(process.env['DATA_DIR']?.trim() || './data');
  if (!usesRedis(config) && !statSync(dataDir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new ConfigError(`There is no data in ${dataDir}: start the server once with npm start, or set DATA_DIR or REDIS_URL`);
  }
  const engine = await openEngine(config, { dataDir, shareData: true, clock });
  try {
    await run(engine.store);
  } finally {
    await engine.close();
  }
}

async function createKey(store: KeyStore, name: string | undefined, scopeList: string | undefined): Promise<void> {
  if (name === undefined || name.trim() === '') throw new UsageError('keys create needs --name: whose key is it?');
  const scopes = scopeList === undefined ? ALL_SCOPES : splitList(scopeList);
  const unknown = scopes.find((scope) => !Object.hasOwn(SCOPES, scope));
  if (unknown !== undefined) throw new UsageError(`There is no scope "${unknown}".`);
  if (scopes.length === 0) throw new UsageError('--scopes names no scope.');
  const { key, credential } = await new PartnerKeys(store, clock).create(name.trim(), scopes as Scope[]);
  console.log(`${credential}\n`);
  console.log(`Key ${key.id} for ${key.name} may: ${key.scopes.join(', ')}.`);
  console.log('Keep it now: only a hash of it is stored, and it is not shown again.');
}

async function listKeys(store: KeyStore): Promise<void> {
  const keys = await new PartnerKeys(store, clock).list();
  if (keys.length === 0) return console.log('No partner keys yet. Make one with: npm run admin -- keys create --name NAME');
  for (const key of keys.sort((a, b) => a.createdAt - b.createdAt)) {
    const state = key.revokedAt === undefined ? 'in force' : `revoked ${day(key.revokedAt)}`;
    console.log(`${key.id}  ${day(key.createdAt)}  ${state.padEnd(27)}  ${key.name}  (${key.scopes.join(', ')})`);
  }
}

async function revokeKey(store: KeyStore, id: string | undefined): Promise<void> {
  if (id === undefined) throw new UsageError('keys revoke needs the ID that keys list shows.');
  if (!(await new PartnerKeys(store, clock).revoke(id))) throw new Error(`There is no key ${id} in force.`);
  console.log(`Key ${id} is revoked.`);
}

async function listSigningKeys(store: KeyStore): Promise<void> {
  const keys = await store.signingKeys();
  if (keys.length === 0) return console.log('No signing keys yet: a gateway makes the first one when it starts.');
  for (const key of keys) console.log(`${key.kid}  ${day(key.createdAt)}`);
}

async function rotate(store: KeyStore, dropOld: boolean): Promise<void> {
  if (process.env['JWT_SIGNING_KEYS']?.trim())
    throw new ConfigError('JWT_SIGNING_KEYS is set: rotate there, by putting a new key in front.');
  const now = clock.now();
  const key = await createSigningKey(now);
  await store.addSigningKey(key, { keep: dropOld ? 1 : 1 + neededKeys(await store.signingKeys(), now) });
  console.log(`Key ${key.kid} is added.`);
}

/** The newest key still signs; those before it count while tokens from before they were followed may live. */
function neededKeys(keys: readonly SigningKey[], now: number): number {
  const stale = keys.findIndex((_key, index) => index > 0 && (keys[index - 1] as SigningKey).createdAt < now - KEEP_MS);
  return stale === -1 ? keys.length : stale;
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}
