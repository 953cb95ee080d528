import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Content, Entry, Happening } from '../history.ts';
import { at, judge, objects } from './judging.ts';

const epoch = 'e1';
const conversation = 'g-1';
const place = (seq: number) => ({ conversation, epoch, seq });
const said = (seq: number, id: string): Entry => ({ ...place(seq), event: 'message.created', actor: 'ana', id, text: `text of ${id}` });
const made = (seq: number, event: string, actor: string, more: Partial<Entry>): Entry => ({ ...place(seq), event, actor, ...more });

/** ana says a, b and c, edits a and deletes c; bob reacts to a, is put out before b and let in after it, and takes his reaction back; cid is let in late. */
const ENTRIES: readonly Entry[] = [
  made(1, 'member.added', 'ana', { users: ['ana', 'bob'] }),
  said(2, 'a'),
  made(3, 'message.edited', 'ana', { target: 2, text: 'a, but better' }),
  made(4, 'reaction.added', 'bob', { target: 2, emoji: '👍' }),
  made(5, 'member.removed', 'ana', { users: ['bob'] }),
  said(6, 'b'),
  made(7, 'member.added', 'ana', { users: ['bob'] }),
  said(8, 'c'),
  made(9, 'message.deleted', 'ana', { target: 8 }),
  made(10, 'member.added', 'ana', { users: ['cid'] }),
  made(11, 'reaction.removed', 'bob', { target: 2, emoji: '👍' }),
];

/** A message as the end shows it. */
function asLeft(entry: Entry): Entry {
  if (entry.seq === 2) return { ...entry, text: 'a, but better' };
  if (entry.seq !== 8) return entry;
  const { id: _, text: __, ...rest } = entry;
  return { ...rest, deleted: true };
}

const changeAt = (seq: number): string => `change ${seq}`;

/** What was asked for and acknowledged; member changes are acknowledged without a place. */
function asking(entry: Entry): [Happening, Happening] {
  const { seq, id = '', event, actor, text = '', target, emoji, users } = entry;
  if (event === 'message.created') {
    return [
      { kind: 'send', device: 'ana/1', conversation, id, text },
      { kind: 'ack', device: 'ana/1', conversation, id, epoch, seq },
    ];
  }
  const change = changeAt(seq);
  const content = Object.fromEntries(Object.entries({ text: entry.text, target, emoji, users }).filter(([, value]) => value !== undefined));
  return [
    { kind: 'change', change, conversation, event, actor, ...content },
    { kind: 'changed', change, ...(users === undefined ? { seq } : {}) },
  ];
}

const given = (device: string, entry: Entry): Happening => ({ kind: 'given', device, ...entry });

function goodHistory(entries = ENTRIES): Happening[] {
  const followed = ['ana/1', 'bob/1'];
  return [
    { kind: 'conversation', conversation, members: ['ana', 'bob'] },
    ...[...followed, 'cid/1'].flatMap((device): Happening[] => [
      { kind: 'device', device, user: device.slice(0, 3) },
      { kind: 'state', device, state: 'live' },
    ]),
    ...followed.map((device): Happening => ({ kind: 'follows', device, ...place(1) })),
    ...entries.slice(1).flatMap((entry): Happening[] => {
      const history: Happening[] = [...asking(entry), given('ana/1', entry)];
      // Back in, bob's device reads on from where it was.
      if (entry.seq === 7) history.push(given('bob/1', entries[5] as Entry));
      if (entry.seq !== 6) history.push(given('bob/1', entry));
      if (entry.seq === 10) {
        history.push({ kind: 'begins', device: 'cid/1', conversation, epoch, head: 9 });
        for (const earlier of entries.slice(0, 9)) history.push({ kind: 'reread', device: 'cid/1', ...asLeft(earlier) });
      }
      if (entry.seq >= 10) history.push(given('cid/1', entry));
      return history;
    }),
    ...entries.map((entry): Happening => ({ kind: 'log', ...asLeft(entry) })),
    { kind: 'logRead', conversation, epoch, head: entries.length },
  ];
}

function changed(like: Partial<Record<string, unknown>>, change: object, history = goodHistory()): Happening[] {
  const index = at(history, like);
  return history.toSpliced(index, 1, { ...history[index], ...change } as Happening);
}

function without(...likes: Partial<Record<string, unknown>>[]): Happening[] {
  return likes.reduce<Happening[]>((history, like) => history.toSpliced(at(history, like), 1), goodHistory());
}

/** Before the logs are read. */
function also(...happenings: Happening[]): Happening[] {
  const history = goodHistory();
  return history.toSpliced(at(history, { kind: 'log' }), 0, ...happenings);
}

test('finds nothing wrong with a good history of changes, and counts it', async () => {
  const { problems, counts } = await judge(goodHistory());
  assert.deepEqual(problems, []);
  assert.deepEqual(counts.changes, {
    ...{ 'message.edited': 1, 'message.deleted': 1, 'reaction.added': 1, 'reaction.removed': 1 },
    ...{ 'member.removed': 1, 'member.added': 2 },
  });
});

test('objects to an acknowledged change that is not where its ack said', async () => {
  await objects(
    changed({ kind: 'changed', change: changeAt(3) }, { seq: 4 }),
    'lost',
    /message.edited change 3 was acknowledged to ana as seq 4 of g-1, but the log has reaction.added of seq 2 by bob there/,
  );
  const other = changed({ kind: 'change', change: changeAt(3) }, { text: 'a, but worse' });
  await objects(other, 'lost', /message.edited change 3 was acknowledged to ana as seq 3/, ['content']);
});

test('objects to a member change that was acknowledged and never came to pass', async () => {
  const ask = (event: string, user: string): Happening[] => [
    { kind: 'change', change: 'late', conversation, event, actor: 'ana', users: [user] },
    { kind: 'changed', change: 'late' },
  ];
  const text = /member.removed late was acknowledged, but by the log of g-1 bob never was out again/;
  await objects(also(...ask('member.removed', 'bob')), 'lost', text);
  await objects(
    also(...ask('member.added', 'dora')),
    'lost',
    /member.added late was acknowledged, but by the log of g-1 dora never was in/,
  );
});

test('objects to a change that was never given to a member', async () => {
  for (const seq of [3, 4, 9]) {
    const text = new RegExp(`bob/1 was never given seq ${seq} of g-1`);
    await objects(without({ kind: 'given', device: 'bob/1', seq }), 'lost', text, ['gap']);
  }
});

test('objects to a change given twice, and to two given in the wrong order', async () => {
  const history = goodHistory();
  const [edit, reaction] = [3, 4].map((seq) => at(history, { kind: 'given', device: 'ana/1', seq })) as [number, number];
  await objects(history.toSpliced(reaction, 0, history[edit] as Happening), 'doubled', /ana\/1 was given seq 3 of g-1 .* twice/);
  const late = history.toSpliced(reaction + 1, 0, history[edit] as Happening).toSpliced(edit, 1);
  await objects(late, 'reordered', /ana\/1 was given seq 3 of g-1 .* after seq 4/, ['gap']);
});

test('objects to a change that nobody asked for, and to one stored more often than asked for', async () => {
  const unasked = without({ kind: 'change', change: changeAt(4) }, { kind: 'changed', change: changeAt(4) });
  await objects(unasked, 'phantom', /bob\/1 was given seq 4 of g-1 \(reaction.added of seq 2 by bob\), which nobody asked for/);
  const again = made(12, 'message.edited', 'ana', { target: 2, text: 'a, but better' });
  const history = also(...['ana/1', 'bob/1', 'cid/1'].map((device) => given(device, again)));
  const twice = history.toSpliced(-1, 1, { kind: 'log', ...again }, { kind: 'logRead', conversation, epoch, head: 12 });
  await objects(twice, 'phantom', /the log has seq 12 of g-1 \(message.edited of seq 2 by ana\), which was asked for only 1 times/);
});

test('objects to an edit given otherwise than it was asked for', async () => {
  const history = changed({ kind: 'given', device: 'bob/1', seq: 3 }, { text: 'a, but worse' });
  await objects(history, 'content', /bob\/1 was given seq 3 of g-1 as an edit to "a, but worse", which nobody asked for/);
});

test('objects to an event given as one about another message', async () => {
  await objects(
    changed({ kind: 'given', device: 'bob/1', seq: 9 }, { target: 6 }),
    'content',
    /bob\/1 was given message.deleted of seq 6 by ana as seq 9 of g-1, but the log has message.deleted of seq 8 by ana/,
    ['phantom'],
  );
});

test('lets a message be read as an edit or a deletion left it, but not before that was asked for', async () => {
  const late = goodHistory();
  const [a, edit] = [at(late, { kind: 'given', device: 'bob/1', seq: 2 }), at(late, { kind: 'change', change: changeAt(3) })];
  const edited = { ...late[a], text: 'a, but better' } as Happening;
  assert.deepEqual((await judge(late.toSpliced(edit + 1, 0, edited).toSpliced(a, 1))).problems, []);
  await objects(late.toSpliced(a, 1, edited), 'content', /bob\/1 was given seq 2 of g-1 as "a, but better", but "text of a" was sent/);
  const early = changed({ kind: 'given', device: 'bob/1', seq: 8 }, { id: undefined, text: undefined, deleted: true });
  await objects(early, 'content', /bob\/1 was given seq 8 of g-1 as deleted, which nobody asked for/);
});

test('objects to a log that shows a message otherwise than its events left it', async () => {
  await objects(
    changed({ kind: 'log', seq: 2 }, { text: 'text of a' }),
    'content',
    /the log shows seq 2 of g-1 as "text of a", but its edits left "a, but better"/,
  );
  await objects(
    changed({ kind: 'log', seq: 8 }, { ...said(8, 'c'), deleted: undefined }),
    'content',
    /the log shows seq 8 of g-1 as not deleted, but its events say otherwise/,
  );
  await objects(
    changed({ kind: 'log', seq: 2 }, { reactions: { '👍': ['bob'] } }),
    'content',
    /the log shows seq 2 of g-1 as having the reactions \[\["👍","bob"\]\], but its events left \[\]/,
  );
});

test('objects to what somebody was given who had been put out and was not yet let in again', async () => {
  const history = goodHistory();
  const b = at(history, { kind: 'given', device: 'bob/1', seq: 6 });
  const early = history.toSpliced(b, 1).toSpliced(at(history, { kind: 'given', device: 'ana/1', seq: 6 }), 0, history[b] as Happening);
  await objects(early, 'not-member', /bob\/1 was given seq 6 of g-1 \(message b of ana\), when bob was no member/);
});

test('objects to what somebody was given who was put out for good, or was never let in', async () => {
  // Without his reaction, which he does not live to take back.
  const out = ENTRIES.slice(0, 6).with(3, made(4, 'message.edited', 'ana', { target: 2, text: 'a, but better' }));
  const history = goodHistory(out).filter((happening) => !('device' in happening && happening.device === 'cid/1'));
  assert.deepEqual((await judge(history)).problems, []);
  const heard = history.toSpliced(at(history, { kind: 'log' }), 0, given('bob/1', out[5] as Entry));
  await objects(heard, 'not-member', /bob\/1 was given seq 6 of g-1 \(message b of ana\), when bob was no member/);

  const stranger: Happening[] = [
    { kind: 'device', device: 'eve/1', user: 'eve' },
    { kind: 'state', device: 'eve/1', state: 'live' },
    { kind: 'begins', device: 'eve/1', conversation, epoch, head: 10 },
    given('eve/1', ENTRIES[10] as Entry),
  ];
  await objects(also(...stranger), 'not-member', /eve\/1 was given seq 11 of g-1 .* when eve was no member/);
});

test('owes a member that was let in everything from the event that let it in on', async () => {
  const deaf = goodHistory().filter((happening) => !(happening.kind === 'given' && happening.device === 'bob/1' && happening.seq >= 6));
  const { problems } = await judge(deaf);
  assert.deepEqual(
    problems.map(({ kind, message }) => [kind, /seq (\d+)/.exec(message)?.[1]]),
    [7, 8, 9, 10, 11].map((seq) => ['lost', `${seq}`]),
    'what was said while he was out is not owed',
  );
  const late = without({ kind: 'given', device: 'cid/1', seq: 10 });
  await objects(late, 'lost', /cid\/1 was never given seq 10 of g-1 \(member.added cid by ana\)/, ['gap']);
  const never = goodHistory().filter((happening) => !('seq' in happening && 'device' in happening && happening.device === 'cid/1'));
  const untold = never.filter((happening) => happening.kind !== 'begins');
  await objects(untold, 'lost', /cid\/1 was never given anything of g-1, which cid was let into/);
});

test('owes a member that was put out no hole, but not the last events before either, which the word of it may overtake', async () => {
  const entries = [...ENTRIES, said(12, 'd'), made(13, 'member.removed', 'ana', { users: ['bob'] })];
  const cut = goodHistory(entries).filter(
    (happening) => !(happening.kind === 'given' && happening.device === 'bob/1' && happening.seq >= 12),
  );
  assert.deepEqual((await judge(cut)).problems, []);
  await objects(
    goodHistory(entries).filter((happening) => !(happening.kind === 'given' && happening.device === 'bob/1' && happening.seq === 12)),
    'lost',
    /bob\/1 was never given seq 12 of g-1/,
    ['gap'],
  );
});

test('objects to an event in the log of somebody who was no member then', async () => {
  const bobs = { actor: 'bob' };
  const history = goodHistory().map((happening): Happening => {
    if (happening.kind === 'send' && happening.id === 'b') return { ...happening, device: 'bob/1' };
    return 'actor' in happening && 'id' in happening && happening.id === 'b' ? { ...happening, ...bobs } : happening;
  });
  await objects(history, 'not-member', /the log has seq 6 of g-1 \(message b of bob\), but bob was no member then/);
});

test('takes the refusal of somebody who was put out, and of nobody else', async () => {
  const refusal = (device: string, id: string): Happening[] => [
    { kind: 'send', device, conversation, id, text: 'text' },
    { kind: 'refused', device, conversation, id, code: 'CHAT_ERR_NOT_MEMBER' },
  ];
  const history = goodHistory();
  const whileOut = history.toSpliced(at(history, { kind: 'send', id: 'b' }), 0, ...refusal('bob/1', 'x'));
  const { problems, counts } = await judge(whileOut);
  assert.deepEqual([problems, counts.refused], [[], 1]);
  await objects(also(...refusal('bob/1', 'x')), 'refused', /message x of bob\/1 was refused for good: CHAT_ERR_NOT_MEMBER/);
  await objects(also(...refusal('ana/1', 'y')), 'refused', /message y of ana\/1 was refused for good: CHAT_ERR_NOT_MEMBER/);
});

test('takes the refusal of a change to a message that is gone, and of no other', async () => {
  const refusal = (target: number, code: string): Happening[] => [
    { kind: 'change', change: 'late', conversation, event: 'reaction.added', actor: 'bob', target, emoji: '🎉' },
    { kind: 'unchanged', change: 'late', code, forGood: true },
  ];
  assert.deepEqual((await judge(also(...refusal(8, 'CHAT_ERR_MESSAGE_NOT_FOUND')))).problems, []);
  const text = /reaction.added late of bob was refused for good/;
  await objects(also(...refusal(6, 'CHAT_ERR_MESSAGE_NOT_FOUND')), 'refused', text);
  await objects(also(...refusal(6, 'CHAT_ERR_NOT_MEMBER')), 'refused', text);
  await objects(also(...refusal(8, 'CHAT_ERR_FORBIDDEN')), 'refused', text);
});

test('does not judge what came of a change that failed for now, but objects to one that was never answered', async () => {
  const ask: Happening = { kind: 'change', change: 'late', conversation, event: 'message.edited', actor: 'ana', target: 6, text: 'b?' };
  const failed: Happening = { kind: 'unchanged', change: 'late', code: 'CHAT_ERR_TIMEOUT', forGood: false };
  assert.deepEqual((await judge(also(ask, failed))).problems, []);
  const carriedOut = changed({ kind: 'changed', change: changeAt(9) }, { ...failed, change: changeAt(9) });
  assert.deepEqual((await judge(carriedOut)).problems, []);
  await objects(also(ask), 'unanswered', /message.edited late of ana was never answered/);
  const acked: Happening = { kind: 'changed', change: 'nothing', seq: 3 };
  await objects(also(acked), 'phantom', /change nothing was acknowledged, but never asked for/);
});

test('objects to a live user whom a watcher sees offline at the end, or never heard of', async () => {
  const watches: Happening = { kind: 'watches', device: 'ana/1', user: 'bob' };
  const seen = (online: boolean): Happening => ({ kind: 'presence', device: 'ana/1', user: 'bob', online });
  const { problems, counts } = await judge(also(watches, seen(false), seen(true)));
  assert.deepEqual([problems, counts.watched], [[], 1]);
  await objects(also(watches, seen(true), seen(false)), 'presence', /ana\/1 sees offline bob, who is live at the end/);
  await objects(also(watches), 'presence', /ana\/1 was told nothing of bob, who is live at the end/);
  const away: Happening = { kind: 'state', device: 'bob/1', state: 'closed' };
  await objects(also(watches, seen(false), away), 'not-live', /bob\/1 of bob was not live at the end/);
});

/** bob is put out by event 2, which is lost when the log falls back, and again by event 3; ana hears of the fall, bob cannot. */
function fallenBack(anaHears: boolean): Happening[] {
  const removal: Content = { event: 'member.removed', actor: 'ana', users: ['bob'], conversation };
  const first = made(1, 'member.added', 'ana', { users: ['ana', 'bob'] });
  const lost = made(2, 'member.removed', 'ana', { users: ['bob'] });
  const after = { epoch: 'e2' };
  const log = [first, said(2, 'a'), made(3, 'member.removed', 'ana', { users: ['bob'] })].map((entry) => ({ ...entry, ...after }));
  const [, message, removed] = log as [Entry, Entry, Entry];
  return [
    { kind: 'conversation', conversation, members: ['ana', 'bob'] },
    ...['ana/1', 'bob/1'].flatMap((device): Happening[] => [
      { kind: 'device', device, user: device.slice(0, 3) },
      { kind: 'state', device, state: 'live' },
      { kind: 'follows', device, ...place(1) },
    ]),
    { kind: 'change', change: 'lost', ...removal },
    { kind: 'unchanged', change: 'lost', code: 'CHAT_ERR_NOT_DURABLE', forGood: false },
    given('bob/1', lost),
    ...(anaHears
      ? ([
          { kind: 'reset', device: 'ana/1', conversation, ...after, head: 1 },
          { kind: 'reread', device: 'ana/1', ...first, ...after },
        ] as Happening[])
      : []),
    { kind: 'send', device: 'ana/1', conversation, id: 'a', text: 'text of a' },
    { kind: 'ack', device: 'ana/1', conversation, id: 'a', ...after, seq: 2 },
    given('ana/1', message),
    { kind: 'change', change: 'again', ...removal },
    { kind: 'changed', change: 'again' },
    given('ana/1', removed),
    ...log.map((entry): Happening => ({ kind: 'log', ...entry })),
    { kind: 'logRead', conversation, ...after, head: 3 },
  ];
}

test('does not hold against an outsider that nobody told it of a log that fell back; without a fall it does', async () => {
  assert.deepEqual((await judge(fallenBack(true))).problems, []);
  await objects(
    fallenBack(false),
    'content',
    /bob\/1 was given member.removed bob by ana as seq 2 of g-1, but the log has message a of ana/,
  );
});
