import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Entry, type Happening, HistoryWriter, readHistory } from '../history.ts';
import { checkHistory } from './history-checker.ts';
import { at, judge, objects } from './judging.ts';
import { describeProblems } from './problem.ts';

const epoch = 'e1';
const conversation = 'g-1';

/** ana (one device) and bob (two) in one group; ana sends a, b and c, which become seq 2, 3 and 4. */
function goodHistory(): Happening[] {
  const joined: Entry = { conversation, epoch, seq: 1, event: 'member.added', actor: 'ana', users: ['ana', 'bob'] };
  const devices = ['ana/1', 'bob/1', 'bob/2'];
  const messages = ['a', 'b', 'c'].map((id, i) => message(id, i + 2));
  return [
    { kind: 'run', seed: 1, about: 'made by hand' },
    { kind: 'conversation', conversation, members: ['ana', 'bob'] },
    ...devices.flatMap((device): Happening[] => [
      { kind: 'device', device, user: device.slice(0, 3) },
      { kind: 'state', device, state: 'live' },
      { kind: 'follows', device, conversation, epoch, seq: 1 },
    ]),
    ...messages.flatMap((entry): Happening[] => [
      { kind: 'send', device: 'ana/1', conversation, id: entry.id, text: entry.text },
      { kind: 'ack', device: 'ana/1', conversation, id: entry.id, epoch, seq: entry.seq },
      ...devices.map((device): Happening => ({ kind: 'given', device, ...entry })),
    ]),
    ...[joined, ...messages].map((entry): Happening => ({ kind: 'log', ...entry })),
    { kind: 'logRead', conversation, epoch, head: 4 },
  ];
}

function message(id: string, seq: number) {
  return { conversation, epoch, seq, event: 'message.created', actor: 'ana', id, text: `text of ${id}` };
}

/** Changes one record of the good history. */
function changed(like: Partial<Record<string, unknown>>, change: object): Happening[] {
  const history = goodHistory();
  const index = at(history, like);
  history[index] = { ...history[index], ...change } as Happening;
  return history;
}

function without(like: Partial<Record<string, unknown>>): Happening[] {
  const history = goodHistory();
  history.splice(at(history, like), 1);
  return history;
}

test('finds nothing wrong with a good history, and counts it', async () => {
  const { problems, counts } = await judge(goodHistory());
  assert.deepEqual(problems, []);
  assert.deepEqual(counts, {
    ...{ sent: 3, acknowledged: 3, refused: 0, given: 9, stored: 4, resets: 0 },
    ...{ changes: {}, watched: 0, devices: 3, conversations: 1 },
  });
});

test('objects to an acknowledged message that the log lost', async () => {
  const history = goodHistory().filter((happening) => !('seq' in happening && happening.seq === 4 && happening.kind !== 'ack'));
  const lastRead = at(history, { kind: 'logRead' });
  history[lastRead] = { kind: 'logRead', conversation, epoch, head: 3 };
  await objects(history, 'lost', /message c was acknowledged to ana\/1 as seq 4 of g-1, but the log has nothing there/);
});

test('objects to an acknowledged message in whose place another one stands', async () => {
  const history = goodHistory();
  const index = at(history, { kind: 'ack', id: 'c' });
  history.splice(index, 0, { kind: 'send', device: 'ana/1', conversation, id: 'd', text: 'text of d' });
  history.splice(index, 0, { kind: 'ack', device: 'ana/1', conversation, id: 'd', epoch, seq: 4 });
  history.splice(index, 2, history[index + 1] as Happening, history[index] as Happening);
  await objects(history, 'lost', /message d was acknowledged to ana\/1 as seq 4 of g-1, but the log has message c of ana there/);
});

test('objects to a message that one device of several was never given', async () => {
  await objects(without({ kind: 'given', device: 'bob/2', id: 'c' }), 'lost', /bob\/2 was never given seq 4 of g-1 \(message c of ana\)/);
});

test('objects to a message given twice', async () => {
  const history = goodHistory();
  const index = at(history, { kind: 'given', device: 'bob/1', id: 'b' });
  history.splice(index, 0, history[index] as Happening);
  await objects(history, 'doubled', /bob\/1 was given seq 3 of g-1 \(message b of ana\) twice/);
});

test('objects to an event given again that was there before the run', async () => {
  const history = goodHistory();
  const joined: Entry = { conversation, epoch, seq: 1, event: 'member.added', actor: 'ana', users: ['ana', 'bob'] };
  history.splice(at(history, { kind: 'log' }), 0, { kind: 'given', device: 'bob/1', ...joined });
  await objects(history, 'doubled', /bob\/1 was given seq 1 of g-1 \(member.added ana, bob by ana\) twice/);
});

test('objects to a message stored under two numbers', async () => {
  const history = goodHistory();
  const again = message('a', 5);
  history.splice(
    at(history, { kind: 'log' }),
    0,
    ...['ana/1', 'bob/1', 'bob/2'].map((device): Happening => ({ kind: 'given', device, ...again })),
  );
  history.splice(at(history, { kind: 'logRead' }), 1, { kind: 'log', ...again }, { kind: 'logRead', conversation, epoch, head: 5 });
  const { problems } = await judge(history);
  assert.match(describeProblems(problems), /message a is stored twice in g-1: as seq 2 and as seq 5/);
  assert.match(describeProblems(problems), /bob\/2 was given message a twice in g-1: as seq 2 and as seq 5/);
});

test('objects to two events of a device in the wrong order', async () => {
  const history = goodHistory();
  const [b, c] = [at(history, { kind: 'given', device: 'bob/1', id: 'b' }), at(history, { kind: 'given', device: 'bob/1', id: 'c' })];
  [history[b], history[c]] = [history[c] as Happening, history[b] as Happening];
  // The send of c comes after it was given now; move the sends up, since only the order of delivery is in question.
  const send = history.splice(at(history, { kind: 'send', id: 'c' }), 1)[0] as Happening;
  history.splice(at(history, { kind: 'send', id: 'b' }), 0, send);
  const sendB = at(history, { kind: 'send', id: 'b' });
  history.splice(sendB - 1, 2, history[sendB] as Happening, history[sendB - 1] as Happening);
  await objects(history, 'reordered', /bob\/1 was given seq 3 of g-1 \(message b of ana\) after seq 4/, ['gap']);
});

test('objects to a gap, even where the missing event comes from nowhere later', async () => {
  const history = without({ kind: 'given', device: 'bob/1', id: 'b' });
  await objects(history, 'gap', /bob\/1 was given seq 4 of g-1 right after seq 2: 1 between are missing/, ['lost']);
});

test('objects to a hole in the log itself', async () => {
  const history = goodHistory().filter((happening) => !('id' in happening && happening.id === 'b' && happening.kind !== 'send'));
  await objects(history, 'gap', /the log of g-1 has no seq 3, though it goes on to 4/, ['unanswered']);
});

test('objects to a text that is not the one that was sent', async () => {
  await objects(
    changed({ kind: 'given', device: 'bob/1', id: 'b' }, { text: 'something else' }),
    'content',
    /bob\/1 was given seq 3 of g-1 as "something else", but "text of b" was sent/,
  );
});

test('objects to a message shown as another user’s', async () => {
  await objects(
    changed({ kind: 'given', device: 'bob/1', id: 'b' }, { actor: 'eve' }),
    'content',
    /bob\/1 was given seq 3 of g-1 as a message of eve, but ana sent it/,
  );
});

test('objects to a message that reached another conversation than it was sent to', async () => {
  await objects(
    changed({ kind: 'send', id: 'b' }, { conversation: 'g-2' }),
    'content',
    /the log has seq 3 of g-1, message b, which was sent to g-2/,
  );
});

test('objects to a message nobody sent', async () => {
  const history = without({ kind: 'send', id: 'c' });
  await objects(history, 'phantom', /bob\/1 was given seq 4 of g-1, message c, which was never sent/);
});

test('objects to a delivered event that the log does not have', async () => {
  const history = goodHistory();
  history.splice(at(history, { kind: 'log' }), 0, { kind: 'send', device: 'ana/1', conversation, id: 'd', text: 'text of d' });
  history.splice(at(history, { kind: 'log' }), 0, { kind: 'given', device: 'bob/1', ...message('d', 5) });
  await objects(history, 'phantom', /bob\/1 was given seq 5 of g-1 \(message d of ana\), which the log lacks/, ['unanswered']);
});

test('objects when two devices are given different events under one number', async () => {
  const history = changed({ kind: 'given', device: 'bob/2', id: 'c' }, { id: 'b', text: 'text of b' });
  await objects(history, 'content', /bob\/2 was given message b of ana as seq 4 of g-1, but the log has message c of ana/, ['doubled']);
});

test('objects to two places for one clientMessageId', async () => {
  const history = goodHistory();
  history.splice(at(history, { kind: 'log' }), 0, { kind: 'ack', device: 'ana/1', conversation, id: 'b', epoch, seq: 4 });
  await objects(history, 'moved', /message b was acknowledged as seq 3, and then as seq 4 of g-1/);
});

test('objects to an ack whose event stands elsewhere', async () => {
  const history = changed({ kind: 'ack', id: 'c' }, { seq: 7 });
  await objects(history, 'moved', /message c was acknowledged as seq 7 of g-1, but the log has it as seq 4/);
});

test('objects to an ack without a send', async () => {
  const history = goodHistory();
  history.splice(at(history, { kind: 'log' }), 0, { kind: 'ack', device: 'ana/1', conversation, id: 'z', epoch, seq: 9 });
  await objects(history, 'phantom', /ana\/1 was acknowledged message z, which was never sent/);
});

test('objects when messages of one sender were stored in another order than they were sent', async () => {
  const history = goodHistory();
  const [b, c] = [at(history, { kind: 'send', id: 'b' }), at(history, { kind: 'send', id: 'c' })];
  const late = history.splice(c, 1)[0] as Happening;
  history.splice(b, 0, late);
  await objects(history, 'sender-order', /ana\/1 sent c before b, but they are stored as seq 4 and seq 3 of g-1/);
});

test('objects to a send that was never answered, and to one refused for good', async () => {
  await objects(without({ kind: 'ack', id: 'b' }), 'unanswered', /message b of ana\/1 to g-1 was never answered/);
  const history = goodHistory();
  const send: Happening = { kind: 'send', device: 'bob/1', conversation, id: 'd', text: 'text of d' };
  history.push(send, { kind: 'refused', device: 'bob/1', conversation, id: 'd', code: 'CHAT_ERR_NOT_MEMBER' });
  await objects(history, 'refused', /message d of bob\/1 was refused for good: CHAT_ERR_NOT_MEMBER/);
});

test('objects to a device that never got live again', async () => {
  const history = goodHistory();
  history.push({ kind: 'state', device: 'bob/2', state: 'offline' });
  await objects(history, 'not-live', /bob\/2 of bob was not live at the end, but offline/);
});

test('lets a history go on under a new epoch, but not go back to the old one', async () => {
  const goesOn = (happening: Happening): Happening =>
    'seq' in happening && 'epoch' in happening && happening.seq >= 3 ? { ...happening, epoch: 'e2' } : happening;
  assert.deepEqual((await judge(goodHistory().map(goesOn))).problems, []);

  const back = goodHistory().map((happening) => (happening.kind === 'given' && happening.seq === 3 ? goesOn(happening) : happening));
  await objects(back, 'content', /bob\/1 was given seq 4 of g-1 of epoch e1, which was over/);
});

test('objects when a new epoch does not go on from what the device holds', async () => {
  const history = goodHistory();
  const ghost = message('ghost', 2);
  history.splice(at(history, { kind: 'send', id: 'a' }), 0, { kind: 'send', device: 'ana/1', conversation, id: 'ghost', text: ghost.text });
  history[at(history, { kind: 'given', device: 'bob/1', id: 'a' })] = { kind: 'given', device: 'bob/1', ...ghost };
  const forked = history.map((happening) =>
    'seq' in happening && 'epoch' in happening && happening.seq >= 3 ? { ...happening, epoch: 'e2' } : happening,
  );
  await objects(forked, 'content', /bob\/1 was given message ghost of ana as seq 2 of g-1, but the log has message a of ana/, [
    'unanswered',
  ]);
});

test('takes a reset for what it is: what was held is void, and what is read again counts', async () => {
  const history = goodHistory().map((happening) =>
    happening.kind === 'log' || happening.kind === 'logRead' ? { ...happening, epoch: 'e2' } : happening,
  );
  const end = at(history, { kind: 'log' });
  const reread = ['ana/1', 'bob/1', 'bob/2'].flatMap((device): Happening[] => [
    { kind: 'reset', device, conversation, epoch: 'e2', head: 4 },
    { kind: 'reread', device, conversation, epoch: 'e2', seq: 1, event: 'member.added', actor: 'ana', users: ['ana', 'bob'] },
    ...['a', 'b', 'c'].map((id, i): Happening => ({ kind: 'reread', device, ...message(id, i + 2), epoch: 'e2' })),
  ]);
  const { problems, counts } = await judge(history.toSpliced(end, 0, ...reread));
  assert.deepEqual(problems, []);
  assert.equal(counts.resets, 3);

  // The log was renamed again before it was read: what was read goes by a name the device has not heard of.
  const renamed = reread.map((happening) => (happening.kind === 'reset' ? { ...happening, epoch: 'e1b' } : happening));
  assert.deepEqual((await judge(history.toSpliced(end, 0, ...renamed))).problems, []);

  const forgetful = history.toSpliced(end, 0, ...reread.filter((happening) => !(happening.kind === 'reread' && happening.id === 'b')));
  await objects(forgetful, 'lost', /bob\/1 was never given seq 3 of g-1/);
});

test('does not call a history good that lacks what is needed to judge it', async () => {
  const unread = goodHistory().filter((happening) => happening.kind !== 'log' && happening.kind !== 'logRead');
  await objects(unread, 'incomplete', /the log of g-1 was not read/);
  const unfollowed = goodHistory().filter(
    (happening) => !('device' in happening && happening.device === 'bob/2' && happening.kind !== 'device' && happening.kind !== 'state'),
  );
  await objects(unfollowed, 'incomplete', /bob\/2 of bob never followed g-1, of which bob is a member/);
});

test('judges a history read back from its file as it judged it live', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'connect-chat-history-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const writer = new HistoryWriter(join(folder, 'history.jsonl'));
  for (const happening of without({ kind: 'given', device: 'bob/2', id: 'c' })) writer.write(happening);
  await writer.close();
  const { problems, counts } = await checkHistory(readHistory(writer.path));
  assert.equal(counts.given, 8);
  assert.match(describeProblems(problems), /^1 problems: lost 1\n {2}lost: bob\/2 was never given seq 4 of g-1/);
});
