import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActivationNotifier } from '../../messaging/activation-notifier.ts';
import type { Member } from '../../shared/conversations.ts';

const ID = 'g-AAAAAAAAAAAAAAAAAAAAAA';
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Ports that write down what is asked of them; `gates` hold every listing of members, or every confirmation that was carried out, until they are opened. */
function build(options: { members?: number; gated?: boolean; confirmGated?: boolean } = {}) {
  const userIds = Array.from({ length: options.members ?? 2 }, (_, i) => `u${String(i).padStart(5, '0')}`);
  const calls: string[] = [];
  const gates: (() => void)[] = [];
  const confirmed: number[] = [];
  /** What `confirmActivation` answers, in turn: the seq of someone let in since. */
  const newcomers: number[] = [];
  const fail = { publish: false };
  const notifier = new ActivationNotifier({
    store: {
      async members(_id, { after, limit }) {
        if (options.gated) await new Promise<void>((resolve) => gates.push(resolve));
        const rest = userIds.filter((id) => after === undefined || id > after);
        calls.push(`members ${Math.min(rest.length, limit)}`);
        return {
          members: rest.slice(0, limit).map((userId): Member => ({ userId, role: 'member', joinedAt: 0 })),
          hasMore: rest.length > limit,
        };
      },
      async recordActivation(_id, ids, until) {
        calls.push(`record ${ids.length} ${until}`);
      },
    },
    executor: {
      async confirmActivation(_id, { until, listedThrough }) {
        calls.push(`confirm ${until}`);
        confirmed.push(listedThrough);
        const newcomer = newcomers.shift() ?? 0;
        if (options.confirmGated) await new Promise<void>((resolve) => gates.push(resolve));
        return newcomer;
      },
    },
    bus: {
      async publish(topic, payload) {
        if (fail.publish) throw new Error('out of reach');
        calls.push(`publish ${topic} ${payload}`);
      },
    },
  });
  return { notifier, calls, gates, fail, confirmed, newcomers };
}

const activation = (from: number, until = 100, epoch = 'e1') => ({ epoch, from, until, listedThrough: from });
const plain = { membersChanged: false };

test('records, tells and confirms, in this order', async () => {
  const { notifier, calls } = build();
  await notifier.notify(ID, activation(7), plain);
  const payload = `{"kind":"activated","conversationId":"${ID}","epoch":"e1","from":7,"until":100}`;
  assert.deepEqual(calls, ['members 2', 'record 2 100', `publish {u:u00000} ${payload}`, `publish {u:u00001} ${payload}`, 'confirm 100']);
});

test('lists the members again for someone who was let in meanwhile, before anyone is answered', async () => {
  const { notifier, calls, confirmed, newcomers } = build();
  newcomers.push(9, 12);
  await notifier.notify(ID, activation(7), plain);
  assert.deepEqual(confirmed, [7, 9, 12]);
  assert.equal(calls.filter((call) => call === 'members 2').length, 3);
});

test('gives up for now while someone is let in during every listing', async () => {
  const { notifier, newcomers } = build();
  newcomers.push(...Array.from({ length: 100 }, (_, i) => 10 + i));
  await assert.rejects(notifier.notify(ID, activation(7), plain), { code: 'CHAT_ERR_UNAVAILABLE' });
});

test('activations that share a pass reach as far as the last of them', async () => {
  const { notifier, gates, confirmed } = build({ gated: true });
  const first = notifier.notify(ID, activation(5), plain);
  const added = [
    notifier.notify(ID, activation(8), { membersChanged: true }),
    notifier.notify(ID, activation(7), { membersChanged: true }),
  ];
  await settled();
  gates.shift()?.();
  await first;
  await settled();
  gates.shift()?.();
  await Promise.all(added);
  assert.deepEqual(confirmed, [5, 8]);
});

test('goes through the members a thousand at a time', async () => {
  const { notifier, calls } = build({ members: 2500 });
  await notifier.notify(ID, activation(1), plain);
  assert.deepEqual(
    calls.filter((call) => !call.startsWith('publish')),
    ['members 1000', 'record 1000 100', 'members 1000', 'record 1000 100', 'members 500', 'record 500 100', 'confirm 100'],
  );
  assert.equal(new Set(calls.filter((call) => call.startsWith('publish'))).size, 2500);
});

test('an activation that runs serves later events too', async () => {
  const { notifier, calls, gates } = build({ gated: true });
  const activates = [
    notifier.notify(ID, activation(5), plain),
    notifier.notify(ID, activation(6, 101), plain),
    notifier.notify(ID, activation(7, 102), plain),
  ];
  gates.shift()?.();
  await Promise.all(activates);
  assert.deepEqual(
    calls.filter((call) => call.startsWith('confirm')),
    ['confirm 100'],
  );
});

test('a command that comes while the store confirms gets a pass of its own, for a newcomer of another process may not be told', async () => {
  const { notifier, calls, gates } = build({ confirmGated: true });
  const first = notifier.notify(ID, activation(5), plain);
  await settled();
  const second = notifier.notify(ID, activation(6, 101), plain);
  gates.shift()?.();
  await first;
  await settled();
  gates.shift()?.();
  await second;
  assert.deepEqual(
    calls.filter((call) => !call.startsWith('publish')),
    ['members 2', 'record 2 100', 'confirm 100', 'members 2', 'record 2 101', 'confirm 101'],
  );
});

test('a change of members gets a pass of its own, after the running one, and shares it', async () => {
  const { notifier, calls, gates } = build({ gated: true });
  const first = notifier.notify(ID, activation(5), plain);
  const added = [
    notifier.notify(ID, activation(8, 103), { membersChanged: true }),
    notifier.notify(ID, activation(7, 102), { membersChanged: true }),
  ];
  await settled();
  assert.equal(gates.length, 1);
  gates.shift()?.();
  await first;
  await settled();
  gates.shift()?.();
  await Promise.all(added);
  assert.deepEqual(
    calls.filter((call) => call.startsWith('confirm')),
    ['confirm 100', 'confirm 103'],
  );
  assert.match(calls.at(-2) as string, /"from":7,/);
});

test('an event before the running activation, or of another epoch, is not covered by it', async () => {
  for (const later of [activation(4), activation(6, 100, 'e2')]) {
    const { notifier, calls, gates } = build({ gated: true });
    const activates = [notifier.notify(ID, activation(5), plain), notifier.notify(ID, later, plain)];
    gates.shift()?.();
    await activates[0];
    await settled();
    gates.shift()?.();
    await activates[1];
    assert.equal(calls.filter((call) => call.startsWith('confirm')).length, 2);
  }
});

test('is not confirmed when a member could not be told, and works the next time', async () => {
  const { notifier, calls, fail } = build();
  fail.publish = true;
  await assert.rejects(notifier.notify(ID, activation(5), plain), /out of reach/);
  assert.ok(!calls.some((call) => call.startsWith('confirm')));
  fail.publish = false;
  await notifier.notify(ID, activation(5), plain);
  assert.equal(calls.at(-1), 'confirm 100');
});

test('a pass that waited runs even when the one before it failed', async () => {
  const { notifier, gates, fail } = build({ gated: true });
  fail.publish = true;
  const first = notifier.notify(ID, activation(5), plain);
  const second = notifier.notify(ID, activation(6), { membersChanged: true });
  gates.shift()?.();
  await assert.rejects(first);
  fail.publish = false;
  await settled();
  gates.shift()?.();
  await second;
});

test('activates a bounded number of conversations at once', async () => {
  const { notifier, gates } = build({ gated: true });
  const activates = Array.from({ length: 100 }, (_, i) => notifier.notify(`g-${String(i).padStart(22, '0')}`, activation(1), plain));
  await settled();
  assert.equal(gates.length, 64);
  while (gates.length > 0) {
    gates.shift()?.();
    await settled();
  }
  await Promise.all(activates);
});
