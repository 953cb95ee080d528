import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CLOCK_SKEW_MS } from '../../shared/service/clock.ts';
import { type Fate, type Gateway, LEASE_MS, World } from './presence-world.ts';

export const name = 'presence: every watcher is right within the lease and one beat after the network, the processes and the clocks are';

/** The longest time between two renewals of a lease. */
const BEAT_MS = LEASE_MS / 3;
/** A call and a message while the network is right. */
const ROUND_TRIP_MS = 10;
const USERS = ['ana', 'bob'];

/** What happens inside one process. */
type InProcess =
  | { do: 'connect' | 'disconnect'; gateway: number; user: string }
  | { do: 'watch' | 'unwatch'; gateway: number; watcher: number; user: string }
  | { do: 'background' | 'foreground'; gateway: number; watcher: number };

/** What happens to a process or its network. */
type OfProcess =
  | { do: 'kill' | 'drain' | 'pause' | 'resume' | 'heal'; gateway: number }
  | { do: 'cut'; gateway: number; how: 'silent' | 'loud' }
  | { do: 'step clock'; gateway: number; ms: number };

type Step = InProcess | OfProcess | { do: 'start'; gateway: number } | { do: 'roll back'; ms: number } | { do: 'pass'; ms: number };

const gateway = fc.nat(2);
const watcher = fc.nat(1);
const user = fc.constantFrom(...USERS);
const skewMs = fc.integer({ min: -CLOCK_SKEW_MS, max: CLOCK_SKEW_MS });
const delayMs = (longMs: number) => fc.oneof({ weight: 3, arbitrary: fc.nat(20) }, fc.nat(longMs));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('connect', 'disconnect'), gateway, user }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('watch', 'unwatch'), gateway, watcher, user }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('background', 'foreground'), gateway, watcher }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('start', 'start', 'kill', 'drain'), gateway }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pause', 'resume', 'resume'), gateway }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut'), gateway, how: fc.constantFrom('silent', 'loud') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heal'), gateway }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('step clock'), gateway, ms: skewMs }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('roll back'), ms: fc.nat(10_000) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.oneof(fc.nat(300), fc.nat(3000), fc.nat(12_000)) }) },
) as fc.Arbitrary<Step>;

const fate: fc.Arbitrary<Fate> = fc.record({
  outcome: fc.oneof(
    { weight: 5, arbitrary: fc.constant('ok' as const) },
    fc.constantFrom('refused' as const, 'unanswered' as const, 'partly' as const),
  ),
  effectMs: delayMs(3000),
  answerMs: delayMs(8000),
});

function take(world: World, one: Step): void | Promise<void> {
  if (one.do === 'pass') return world.pass(one.ms);
  if (one.do === 'roll back') return world.rollBack(one.ms);
  if (one.do === 'start') return world.start(one.gateway);
  const at = world.gateways[one.gateway];
  if (at === undefined) return;
  if ('user' in one || 'watcher' in one) {
    // Nothing happens in a process that is paused.
    if (!at.paused) takeInProcess(at, one);
  } else takeOfProcess(world, at, one);
}

function takeOfProcess(world: World, at: Gateway, one: OfProcess): void {
  switch (one.do) {
    case 'kill':
    case 'drain':
      if (one.do === 'drain') void at.presence.close();
      at.alive = false;
      world.gateways[one.gateway] = undefined;
      return;
    case 'pause':
      at.paused = true;
      return;
    case 'resume':
      at.resume();
      return;
    case 'cut':
      at.cut = one.how;
      return;
    case 'heal':
      at.cut = undefined;
      at.interrupt();
      return;
    case 'step clock':
      at.skewMs = one.ms;
  }
}

function takeInProcess(at: Gateway, one: InProcess): void {
  const { announcer, watch } = at.presence;
  switch (one.do) {
    case 'connect':
      if (at.connected.has(one.user)) return;
      at.connected.add(one.user);
      announcer.came(one.user);
      return;
    case 'disconnect':
      if (at.connected.delete(one.user)) announcer.went(one.user);
      return;
  }
  const watching = at.watchers[one.watcher];
  assert(watching);
  switch (one.do) {
    case 'watch':
      watch.watch(watching, [one.user]).then(
        () => watching.answered(watch.tell(watching, [one.user])),
        () => {},
      );
      return;
    case 'unwatch':
      watching.told.delete(one.user);
      watch.unwatch(watching, [one.user]);
      return;
    case 'background':
      watching.background = true;
      return;
    case 'foreground':
      if (!watching.background) return;
      watching.background = false;
      watching.answered(watch.tell(watching));
  }
}

export function property(): fc.IAsyncProperty<[Step[], Fate[], number[]]> {
  return fc.asyncProperty(
    fc.array(step, { maxLength: 60, size: 'max' }),
    fc.array(fate, { maxLength: 30, size: 'max' }),
    fc.array(skewMs, { minLength: 3, maxLength: 3 }),
    async (steps, fates, skews) => {
      const world = new World(fates, skews);
      for (const [i, userId] of [0, 1, 2].flatMap((one) => USERS.map((each) => [one, each] as const))) {
        await take(world, { do: 'watch', gateway: i, watcher: 0, user: userId });
      }
      await world.pass(ROUND_TRIP_MS);
      world.calm = false;
      for (const one of steps) await take(world, one);
      await world.becomeRight();
      await world.pass(LEASE_MS + BEAT_MS + ROUND_TRIP_MS);
      assert.deepEqual(world.violations, []);
      for (const at of world.gateways) {
        for (const { told, background } of at?.watchers ?? []) {
          if (background) continue;
          for (const [userId, { online }] of told) {
            const expected = world.gateways.some((other) => other?.connected.has(userId));
            assert.equal(online, expected, `${at?.id} has ${userId} ${online ? 'online' : 'offline'}`);
          }
        }
      }
    },
  );
}
