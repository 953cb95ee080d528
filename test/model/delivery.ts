import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CONVERSATIONS, DeliveryWorld, turn, USERS } from './delivery-world.ts';

export const name = 'delivery: who hears what';

/** One step of a schedule. `k` picks among what is there: a waiting call, a message, a device, a process. */
interface Step {
  op: keyof typeof STEPS;
  k: number;
  c: number;
}

export const STEPS: Record<string, { weight: number; run: (world: DeliveryWorld, k: number, c: number) => void | Promise<void> }> = {
  call: { weight: 24, run: (world, k) => world.pending.step(k) },
  calls: { weight: 12, run: (world, k) => world.pending.steps(k, 4) },
  deliver: { weight: 16, run: (world, k) => world.deliver(k, 'once') },
  send: { weight: 10, run: (world, k, c) => change(world, c, k, 'message.created', user(k), { text: 'x' }) },
  connect: { weight: 8, run: (world, k) => world.connect(k) },
  remove: { weight: 4, run: (world, k, c) => change(world, c, k, 'member.removed', 'ana', { userId: member(k) }) },
  add: {
    weight: 5,
    run: (world, k, c) => change(world, c, k, 'member.added', 'ana', { members: [{ userId: member(k), role: 'member' }] }),
  },
  syncAgain: { weight: 3, run: (world, k, c) => world.sync(k, c) },
  disconnect: { weight: 2, run: (world, k) => world.disconnect(k) },
  lose: { weight: 3, run: (world, k) => world.deliver(k, 'never') },
  repeat: { weight: 2, run: (world, k) => world.deliver(k, 'twice') },
  fail: { weight: 2, run: (world, k) => world.pending.fail(k) },
  interrupt: { weight: 1, run: (world) => world.interrupt() },
  kill: { weight: 2, run: (world, k, c) => world.killProcess(k, c === 0) },
  failOver: { weight: 1, run: (world, k, c) => world.failOver(conversation(c), k % 4) },
  moment: { weight: 3, run: (world) => world.pass(500) },
  minute: { weight: 2, run: (world) => world.pass(60_000) },
  sleep: { weight: 1, run: (world) => world.sleep() },
};

const user = (k: number): string => USERS[k % USERS.length] as string;
/** Not the first: who is always there lets the others in and puts them out. */
const member = (k: number): string => USERS[1 + (k % (USERS.length - 1))] as string;
/** Mostly one conversation, so that things happen to each other. */
const conversation = (c: number): string => CONVERSATIONS[c === 3 ? 1 : 0] as string;
const change = (world: DeliveryWorld, c: number, k: number, ...event: [Parameters<DeliveryWorld['change']>[2], string, object]): void =>
  world.change(conversation(c), k, ...event);

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.oneof(...Object.entries(STEPS).map(([op, { weight }]) => ({ weight, arbitrary: fc.constant(op) }))),
  k: fc.nat({ max: 11 }),
  c: fc.nat({ max: 3 }),
});

/**
 * No interleaving gives a connection a gap, a double, a wrong order, anything after a removal, or silence: the devices object to the
 * first four at once, and after a calm each that is connected must have everything that its conversations hold.
 */
export function property(): fc.IAsyncProperty<[boolean, Step[]]> {
  return fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 100, size: 'max' }), async (isLive, steps) => {
    const world = new DeliveryWorld();
    try {
      if (isLive) await allLive(world);
      for (const { op, k, c } of steps) {
        await STEPS[op]?.run(world, k, c);
        await turn();
        assertNoViolation(world);
      }
      await world.calm();
      assertNoViolation(world);
      assertComplete(world);
    } finally {
      await world.close();
    }
  });
}

/** Every device is connected and has everything, as in the middle of a day. */
async function allLive(world: DeliveryWorld): Promise<void> {
  for (const k of world.devices.keys()) world.connect(k);
  for (const id of CONVERSATIONS) world.change(id, 0, 'message.created', 'ana', { text: 'x' });
  await world.quiet();
}

export function assertNoViolation(world: DeliveryWorld): void {
  for (const { client } of world.devices) assert.deepEqual(client.violations, []);
}

export function assertComplete(world: DeliveryWorld): void {
  for (const { client, connection } of world.devices) {
    if (connection === undefined) continue;
    assert.equal(connection.syncState, 'synced', `${client.userId} could not sync`);
    for (const log of world.logs.values()) {
      if (!log.isMember(client.userId)) continue;
      const cursor = client.cursors.get(log.id);
      assert.deepEqual(cursor, { epoch: log.epoch, seq: log.head }, `silence: ${client.userId} in ${log.id}`);
    }
  }
  assert.equal(violations(world), 0, 'a connection would have gone live with a hole');
}

function violations({ hub }: DeliveryWorld): number {
  return (hub.metrics.deliveryViolations as unknown as { hashMap: Record<string, { value: number }> }).hashMap['']?.value ?? 0;
}
