import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import Fastify from 'fastify';
import { Registry } from 'prom-client';
import { type FrameContext, FrameReader } from '../../gateway/realtime/frames/index.ts';
import { RealtimeMetrics } from '../../gateway/realtime/metrics.ts';
import type { Connection } from '../../gateway/realtime/transport/connection.ts';
import type { Command } from '../../shared/commands.ts';
import { ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { CLIENT_FRAMES } from '../../shared/frames.ts';
import { frameExamples } from '../../tools/frame-examples.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_123);
const RUNS = 15_000;

/** What happened to one frame: replies, a close, commands passed on, or a call started. */
interface Outcome {
  errors: ErrorCode[];
  replies: number;
  closed: string[];
  commands: Command[];
  calls: number;
}

function build() {
  const { log } = Fastify({ logger: false });
  let outcome: Outcome;
  const pending = new Promise<never>(() => {});
  const called = () => {
    outcome.calls++;
    return pending;
  };
  const context = {
    messaging: {
      execute: (command: Command) => {
        outcome.commands.push(command);
        return pending;
      },
      call: called,
      active: called,
      sync: called,
    },
    clock: { now: () => 0, monotonic: () => 0 },
    log,
    config: { WS_WATCHED_USERS: 200, WS_SYNC_EVENTS: 200, WS_TOPICS: 1000 },
    metrics: new RealtimeMetrics(new Registry()),
    tokens: { authenticate: called },
    users: { get: () => undefined },
    presence: { unwatch: () => {}, viewFor: () => [] },
  } as unknown as FrameContext;
  const reader = new FrameReader(context);
  const read = async (data: Buffer, isBinary = false): Promise<Outcome> => {
    outcome = { errors: [], replies: 0, closed: [], commands: [], calls: 0 };
    const connection = {
      userId: 'ana',
      syncState: 'fresh',
      closing: false,
      heard: () => {},
      takeToken: () => 0,
      beginRead: () => {},
      endRead: () => {},
      send: () => outcome.replies++,
      ok: () => outcome.replies++,
      error: (_ref: unknown, error: { code: ErrorCode }) => outcome.errors.push(error.code),
      close: (reason: string) => outcome.closed.push(reason),
    } as unknown as Connection;
    reader.read(connection, data, isBinary);
    // Handlers that await something fail, if they do, within these turns.
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    return outcome;
  };
  return { read };
}

const examples = Object.entries(frameExamples)
  .filter(([name]) => name.startsWith('client'))
  .map(([, example]) => example as Record<string, unknown>);
const anyKey = fc.oneof(
  fc.constantFrom('type', 'ref', 'conversationId', 'seq', 'text', 'cursors', 'userIds', '__proto__', 'constructor', 'toString'),
  fc.string(),
);

/** A frame of the protocol with one thing wrong, or right by accident. */
const mutatedFrame = fc
  .tuple(fc.constantFrom(...examples), anyKey, fc.jsonValue({ maxDepth: 3 }), fc.boolean())
  .map(([example, key, value, remove]) => {
    const frame: Record<string, unknown> = structuredClone(example);
    if (remove) delete frame[key];
    else Object.defineProperty(frame, key, { value, enumerable: true, configurable: true, writable: true });
    return Buffer.from(JSON.stringify(frame));
  });
const knownTypeRandomBody = fc
  .tuple(fc.constantFrom(...Object.keys(CLIENT_FRAMES)), fc.dictionary(anyKey, fc.jsonValue({ maxDepth: 4 })))
  .map(([type, body]) => Buffer.from(JSON.stringify({ ...body, type })));
const anyJson = fc.json({ maxDepth: 6 }).map((text) => Buffer.from(text));
const anyBytes = fc.uint8Array({ maxLength: 512 }).map((bytes) => Buffer.from(bytes));
const cutFrame = fc
  .tuple(fc.constantFrom(...examples), fc.nat(200))
  .map(([example, at]) => Buffer.from(JSON.stringify(example).slice(0, at)));

test(`any bytes get exactly one catalogued answer and never an exception (seed ${SEED}, ${RUNS} inputs)`, async (t) => {
  t.diagnostic(`seed ${SEED}; repeat with FUZZ_SEED=${SEED}`);
  const { read } = build();
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(mutatedFrame, knownTypeRandomBody, anyJson, anyBytes, cutFrame), fc.boolean(), async (data, isBinary) => {
      const outcome = await read(data, isBinary && data.length % 7 === 0);
      for (const code of outcome.errors) assert.ok(Object.hasOwn(ERRORS, code) && code !== 'CHAT_ERR_INTERNAL', code);
      assert.equal(outcome.errors.length + outcome.replies + outcome.commands.length + outcome.calls, 1, JSON.stringify(outcome));
      if (outcome.closed.length > 0) assert.ok(outcome.errors.length === 1);
      accepted += outcome.commands.length + outcome.calls;
    }),
    { seed: SEED, numRuns: RUNS },
  );
  // Were all of it refused at the door, the handlers behind it would not have been tried.
  assert.ok(accepted > RUNS / 50, `only ${accepted} got through`);
});

test('ten thousand nested arrays are refused, not a stack overflow', async () => {
  const { read } = build();
  const nested = '['.repeat(10_000) + ']'.repeat(10_000);
  const outcomes = [
    await read(Buffer.from(nested)),
    await read(Buffer.from(JSON.stringify({ type: 'message.send' }).replace('}', `,"text":${nested}}`))),
    await read(Buffer.from(`{"type":"sync","cursors":${nested}}`)),
  ];
  assert.deepEqual(
    outcomes.map(({ errors }) => errors),
    [['CHAT_ERR_BAD_JSON'], ['CHAT_ERR_BAD_FRAME'], ['CHAT_ERR_BAD_FRAME']],
  );
});
