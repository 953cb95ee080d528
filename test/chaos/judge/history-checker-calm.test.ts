import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Happening } from '../history.ts';
import { at, judge, objects } from './judging.ts';

type Timed = Happening & { t?: number };

const epoch = 'e1';
const conversation = 'g-1';
const bounds = { silenceMs: 60_000, memoryMiB: 300 };
const entry = (id: string, seq: number) => ({
  ...{ conversation, epoch, seq, event: 'message.created', actor: 'ana', id, text: `text of ${id}` },
});
const said = (id: string, seq: number): Timed[] => [
  { kind: 'send', device: 'ana/1', conversation, id, text: `text of ${id}` },
  { kind: 'ack', device: 'ana/1', conversation, id, epoch, seq },
];
const given = (device: string, id: string, seq: number): Timed => ({ kind: 'given', device, ...entry(id, seq) });
const quiet = (t: number): Timed => ({ kind: 'calm', quietMs: 5000, t });

/** ana says a and b to bob, a calm comes after each; ana watches bob; the chat list of bob, who has read a, has one unread message. */
function goodHistory(): Timed[] {
  return [
    { kind: 'run', seed: 1, about: 'made by hand', bounds },
    { kind: 'conversation', conversation, members: ['ana', 'bob'] },
    ...['ana/1', 'bob/1'].flatMap((device): Timed[] => [
      { kind: 'device', device, user: device.slice(0, 3) },
      { kind: 'state', device, state: 'live' },
      { kind: 'follows', device, conversation, epoch, seq: 1 },
    ]),
    { kind: 'watches', device: 'ana/1', user: 'bob' },
    { kind: 'presence', device: 'ana/1', user: 'bob', online: true },
    ...said('a', 2),
    given('ana/1', 'a', 2),
    given('bob/1', 'a', 2),
    { kind: 'read', device: 'bob/1', conversation, seq: 2 },
    quiet(10_000),
    ...said('b', 3),
    given('ana/1', 'b', 3),
    given('bob/1', 'b', 3),
    quiet(20_000),
    { kind: 'log', conversation, epoch, seq: 1, event: 'member.added', actor: 'ana', users: ['ana', 'bob'] },
    { kind: 'log', ...entry('a', 2) },
    { kind: 'log', ...entry('b', 3) },
    { kind: 'logRead', conversation, epoch, head: 3 },
    { kind: 'unread', user: 'bob', conversation, readSeq: 2, unread: 1 },
  ];
}

/** The good history with something else at this place. */
function instead(like: Partial<Record<string, unknown>>, ...others: Timed[]): Timed[] {
  const history = goodHistory();
  history.splice(at(history, like), 1, ...others);
  return history;
}

/** The good history with something more before this place. */
function before(like: Partial<Record<string, unknown>>, ...others: Timed[]): Timed[] {
  const history = goodHistory();
  history.splice(at(history, like), 0, ...others);
  return history;
}

test('finds nothing wrong with a good history of calms, and tells its figures', async () => {
  const { problems, figures } = await judge(goodHistory());
  assert.deepEqual(problems, []);
  assert.deepEqual(figures, { calms: 2, longestSilence: { device: 'bob/1', ms: 2, how: 'deaf' }, peakMiB: {} });
});

test('objects to a message that a live member lacks while nothing happens, though the next message brings it', async () => {
  const history = instead({ kind: 'given', device: 'bob/1', id: 'a' });
  history.splice(at(history, { kind: 'given', device: 'bob/1', id: 'b' }), 0, given('bob/1', 'a', 2));
  await objects(history, 'hole', /bob\/1 is live and lacks seq 2 of g-1, 5000 ms after everything was acknowledged/);
});

test('objects once to a hole that several calms see', async () => {
  const { problems } = await judge(before({ kind: 'given', device: 'bob/1', id: 'b' }, quiet(16_000), quiet(17_000)));
  assert.deepEqual(
    problems.map(({ kind }) => kind),
    ['hole'],
  );
});

test('owes nothing in a calm to a device that has just come back, to one that is away, or to somebody who may be out', async () => {
  const late = given('bob/1', 'a', 2);
  for (const meanwhile of [
    [{ kind: 'state', device: 'bob/1', state: 'live', t: 6000 }, quiet(10_000)],
    [{ kind: 'state', device: 'bob/1', state: 'connecting' }, quiet(10_000), { kind: 'state', device: 'bob/1', state: 'live' }],
  ] as Timed[][]) {
    const history = instead({ kind: 'given', device: 'bob/1', id: 'a' }, ...meanwhile, late);
    assert.deepEqual((await judge(history)).problems, []);
  }
  const change = { change: '1', conversation, event: 'member.removed', actor: 'ana', users: ['bob'] };
  const history = instead(
    { kind: 'given', device: 'bob/1', id: 'a' },
    { kind: 'change', ...change },
    { kind: 'unchanged', change: '1', code: 'CHAT_ERR_OVERLOADED', forGood: false },
    quiet(10_000),
    late,
  );
  assert.deepEqual((await judge(history)).problems, []);
});

test('objects to a live user who is seen offline in a calm, though the end shows otherwise', async () => {
  const offline: Timed = { kind: 'presence', device: 'ana/1', user: 'bob', online: false };
  const history = before({ kind: 'calm' }, offline);
  history.splice(at(history, { kind: 'log' }), 0, { kind: 'presence', device: 'ana/1', user: 'bob', online: true });
  await objects(history, 'presence', /ana\/1 sees offline bob, who is live in a calm/);
});

test('objects to a user who is seen online in a calm after all devices have left, and not while one of them may come back', async () => {
  const left = (state: string): Timed[] =>
    before(
      { kind: 'calm', t: 20_000 },
      { kind: 'state', device: 'bob/1', state, t: 14_000 },
      { kind: 'calm', quietMs: 5000, t: 19_000 },
      {
        kind: 'state',
        device: 'bob/1',
        state: 'live',
        t: 19_500,
      },
    );
  await objects(left('closed'), 'presence', /ana\/1 sees online bob, whose devices have all left in a calm/);
  assert.deepEqual((await judge(left('offline'))).problems, []);
});

test('objects to a client that is away for too long, and not to one that has left', async () => {
  const away = (state: string): Timed[] =>
    before(
      { kind: 'log' },
      { kind: 'state', device: 'bob/1', state, t: 30_000 },
      {
        kind: 'state',
        device: 'bob/1',
        state: 'live',
        t: 95_000,
      },
    );
  await objects(away('offline'), 'silent', /bob\/1 was not live for 65000 ms; the bound is 60000 ms/);
  assert.deepEqual((await judge(away('closed'))).problems, []);
});

test('objects to a live client that is given an acknowledged message too late', async () => {
  const history = instead({ kind: 'given', device: 'bob/1', id: 'b' });
  history.splice(at(history, { kind: 'log' }), 0, { ...given('bob/1', 'b', 3), t: 90_000 });
  await objects(history, 'silent', /bob\/1 was live, but was given an acknowledged message only after 79\d\d\d ms/, ['hole']);
});

test('objects to a count of unread messages that the log contradicts, and to a read position that went back', async () => {
  const wrong: Timed = { kind: 'unread', user: 'bob', conversation, readSeq: 2, unread: 0 };
  await objects(instead({ kind: 'unread' }, wrong), 'unread', /bob has 0 unread messages in g-1, but the log has 1 after seq 2/);
  const back: Timed = { kind: 'unread', user: 'bob', conversation, readSeq: 1, unread: 2 };
  await objects(instead({ kind: 'unread' }, back), 'unread', /bob has read g-1 up to seq 2, but the server says 1/);
});

test('objects to a gateway that noticed itself what it was about to do', async () => {
  const noticed = (count: number): Timed => ({ kind: 'violations', process: 'gateway-1', count });
  const history = before({ kind: 'log' }, noticed(2), noticed(2));
  await objects(history, 'violation', /^gateway-1 closed 2 connections that would have gone live with a hole, or as no member$/);
  assert.equal((await judge(history)).problems.length, 1);
});

test('objects once to a process that takes too much memory, and tells the most each took', async () => {
  const took = (mib: number): Timed => ({ kind: 'memory', process: 'gateway-1', mib });
  await objects(before({ kind: 'log' }, took(200), took(301), took(350)), 'memory', /^gateway-1 took 301 MiB; the bound is 300 MiB$/);
  const { problems, figures } = await judge(before({ kind: 'log' }, took(200), took(299)));
  assert.deepEqual(problems, []);
  assert.deepEqual(figures.peakMiB, { 'gateway-1': 299 });
});

test('objects when no process says in its log what broke', async () => {
  const broke = (message: string, t = 8000): Timed[] =>
    before(
      { kind: 'calm' },
      { kind: 'said', process: 'messaging-1', message, t },
      {
        ...{ kind: 'expects', fault: 'redis primary killed', processes: ['messaging-1', 'messaging-2'] },
        ...{ text: '127.0.0.1:7000', since: 5000, t: 9000 },
      },
    );
  assert.deepEqual((await judge(broke('127.0.0.1:7000 does not answer'))).problems, []);
  await objects(broke('all is well'), 'unsaid', /redis primary killed: none of messaging-1, messaging-2 logged a line like \/127/);
  await objects(broke('127.0.0.1:7000 does not answer', 4000), 'unsaid', /redis primary killed/);
});
