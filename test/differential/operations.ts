import fc from 'fast-check';
import { ACTIVE_MS, KEY_BUCKET_MS, KEY_GONE_MS, KEY_MARGIN_MS, KEY_MS, SYNC_MARGIN_MS } from '../../engine/engine.ts';
import type { Role } from '../../shared/primitives.ts';
import { CLOCK_SKEW_MS } from '../../shared/service/clock.ts';

/** What a world is made of is named by small numbers and words, which `player.ts` turns into ids and seqs: so worlds shrink well. */
const USERS_MAX = 5;
/** Two groups, a direct conversation, and one that nobody makes. */
export const ROOMS = ['g-0', 'g-1', 'd-2', 'g-nowhere'] as const;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** A user by number, a member by the order of joining, or whoever owns the conversation now. */
export type Someone = { user: number } | { member: number } | 'owner';
/** The message so many before the newest one, or a seq. */
export type Target = { back: number } | { seq: number };
/** The metadata that the target has, the same in another order of names, or another one. */
export type EditedMetadata = 'left out' | 'same' | 'reordered' | Record<string, unknown>;

export type Draft =
  | { op: 'message.send'; key: number; text: string; replyTo?: Target | undefined; metadata?: Record<string, unknown> | undefined }
  | { op: 'message.edit'; target: Target; text: string; metadata: EditedMetadata }
  | { op: 'message.delete'; target: Target }
  | { op: 'reaction.add'; target: Target; emoji: string }
  /** `own`: one of those with which the actor reacted. */
  | { op: 'reaction.remove'; target: Target; emoji: string | 'own' }
  | { op: 'receipt.read' | 'receipt.delivered'; target: Target }
  | { op: 'typing'; active: boolean }
  | { op: 'conversation.create'; title: string | undefined; members: { user: number; role: Role }[] }
  | { op: 'conversation.update'; title: string }
  | { op: 'member.add'; members: { user: number; role: Role }[] }
  | { op: 'member.remove'; user: Someone | 'self' }
  | { op: 'member.role'; user: Someone; role: Role }
  /** The command so many before the last one again. */
  | { op: 'repeat'; back: number }
  /** Many users of no other use join and react to a message, or take their reactions back. */
  | { op: 'crowd'; does: 'join and react' | 'take back'; target: Target; from: number; count: number }
  /** One makes the conversation, lets another in, and that one sends: all in one batch. */
  | { op: 'founding'; user: number }
  /** One user reacts with many emoji. */
  | { op: 'flood'; target: Target; count: number };

export interface Order {
  actor: Someone;
  room: number;
  /** The clock of the process that takes the command, compared with the others, ms. */
  skewMs: number;
  draft: Draft;
}

export type Step =
  | { do: 'commands'; orders: Order[] }
  | { do: 'clock'; byMs: number }
  /** What messaging does with the activation so many before the last one: write it down for users, and confirm it. */
  | {
      do: 'confirm';
      back: number;
      epoch: 'same' | 'another';
      listed: 'as answered' | 'earlier' | 'later';
      recordFor: 'members' | 'nobody' | 'all users';
    }
  | {
      do: 'ask';
      room: number;
      user: number;
      after: number;
      limit: number;
      messagesOnly: boolean;
      cursor: 'same' | 'another' | 'none';
      sinceMs: number;
    }
  | { do: 'look' }
  | { do: 'reopen' };

/** One run. */
export interface World {
  /** Which of the pairs of engines: groups of a few, or groups that hold a crowd. */
  limits: 'small' | 'large';
  users: number;
  /** How long after the beginning of a bucket of keys it begins, ms. */
  startsAtMs: number;
  steps: Step[];
}

const TEXTS = ['hi', 'yo', '","metadata":{"a":1}', 'ünï ✓ 😀', '\\" \u2028 {}]'];
const EMOJI = ['👍', '👍', '🎉', 'a " b'];
const METADATA: Record<string, unknown>[] = [
  {},
  { a: 1, b: 2 },
  { a: [], b: {} },
  { a: {}, b: [] },
  { a: { c: [{ y: 1, z: 'y' }], d: '}' }, b: '\\"' },
  { a: { c: [{ y: 1, z: 'y' }], d: ']' }, b: '\\"' },
  { '"text":': '"metadata":', n: 1e21, m: [1, 2] },
];
const TITLES = ['plans', 'Trip ✓'];

const target: fc.Arbitrary<Target> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ back: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({ seq: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(2 ** 32 + 1, Number.MAX_SAFE_INTEGER)) }),
  },
);
const someone: fc.Arbitrary<Someone> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ member: fc.nat(USERS_MAX - 1) }) },
  { weight: 3, arbitrary: fc.constant<Someone>('owner') },
  { weight: 1, arbitrary: fc.record({ user: fc.nat(USERS_MAX - 1) }) },
);
const role: fc.Arbitrary<Role> = fc.constantFrom('member', 'admin', 'owner');
const commonRole: fc.Arbitrary<Role> = fc.oneof({ weight: 6, arbitrary: fc.constant<Role>('member') }, { weight: 1, arbitrary: role });
const members = fc.array(fc.record({ user: fc.nat(USERS_MAX - 1), role: commonRole }), { minLength: 1, maxLength: 5 });
const editedMetadata: fc.Arbitrary<EditedMetadata> = fc.oneof(
  fc.constantFrom<EditedMetadata>('left out', 'same', 'reordered'),
  fc.constantFrom(...METADATA),
);
const metadata = fc.oneof(fc.constant(undefined), fc.constantFrom(...METADATA));

const draft: fc.Arbitrary<Draft> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('message.send' as const),
      key: fc.nat(12),
      text: fc.constantFrom(...TEXTS),
      replyTo: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: target }),
      metadata,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('message.edit' as const),
      target,
      text: fc.constantFrom('same', ...TEXTS),
      metadata: editedMetadata,
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('message.delete' as const), target }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('reaction.add' as const), target, emoji: fc.constantFrom(...EMOJI) }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('reaction.remove' as const), target, emoji: fc.constantFrom('own', 'own', ...EMOJI) }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constantFrom('receipt.read' as const, 'receipt.delivered' as const), target }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('typing' as const), active: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('conversation.create' as const),
      title: fc.option(fc.constantFrom(...TITLES), { nil: undefined }),
      members,
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('conversation.update' as const), title: fc.constantFrom(...TITLES) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('member.add' as const), members }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('founding' as const), user: fc.nat(USERS_MAX - 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('member.remove' as const),
      user: fc.oneof(fc.constantFrom<Someone | 'self'>('self', 'owner'), someone),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('member.role' as const), user: someone, role }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('repeat' as const), back: fc.nat(8) }) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({
        op: fc.constant('crowd' as const),
        does: fc.constantFrom('join and react' as const, 'take back' as const),
        target: fc.constant<Target>({ back: 0 }),
        from: fc.constantFrom(0, 0, 3),
        count: fc.constantFrom(53, 53, 4),
      }),
      fc.record({ op: fc.constant('flood' as const), target: fc.constant<Target>({ back: 0 }), count: fc.integer({ min: 15, max: 22 }) }),
    ),
  },
);

const order: fc.Arbitrary<Order> = fc.record({
  actor: someone,
  room: fc.oneof(
    { weight: 30, arbitrary: fc.constant(0) },
    { weight: 6, arbitrary: fc.constantFrom(1, 2) },
    { weight: 1, arbitrary: fc.constant(3) },
  ),
  skewMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, -SECOND_MS, -CLOCK_SKEW_MS) }),
  draft,
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ do: fc.constant('commands' as const), orders: fc.array(order, { minLength: 1, maxLength: 4, size: 'max' }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('clock' as const),
      byMs: fc.constantFrom(
        ...[
          1,
          SECOND_MS,
          MINUTE_MS,
          ACTIVE_MS / 2,
          ACTIVE_MS / 2 + 1,
          20 * MINUTE_MS,
          45 * MINUTE_MS,
          45 * MINUTE_MS,
          ACTIVE_MS - 1,
          ACTIVE_MS,
          2 * HOUR_MS,
        ],
        ...[-1, -MINUTE_MS, -CLOCK_SKEW_MS, KEY_MS - HOUR_MS, KEY_MS, KEY_MS + KEY_MARGIN_MS, KEY_GONE_MS],
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('confirm' as const),
      back: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
      epoch: fc.oneof({ weight: 6, arbitrary: fc.constant('same' as const) }, { weight: 1, arbitrary: fc.constant('another' as const) }),
      listed: fc.oneof(
        { weight: 4, arbitrary: fc.constant('as answered' as const) },
        { weight: 1, arbitrary: fc.constantFrom('earlier' as const, 'later' as const) },
      ),
      recordFor: fc.oneof(
        { weight: 4, arbitrary: fc.constant('members' as const) },
        { weight: 1, arbitrary: fc.constantFrom('nobody' as const, 'all users' as const) },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      room: fc.nat(ROOMS.length - 1),
      user: fc.nat(USERS_MAX - 1),
      after: fc.nat(20),
      limit: fc.integer({ min: 1, max: 6 }),
      messagesOnly: fc.boolean(),
      cursor: fc.constantFrom('same' as const, 'another' as const, 'none' as const),
      sinceMs: fc.constantFrom(0, -HOUR_MS, CLOCK_SKEW_MS, SYNC_MARGIN_MS, SYNC_MARGIN_MS + 1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.oneof(
      { weight: 19, arbitrary: fc.constant<Step>({ do: 'look' }) },
      { weight: 1, arbitrary: fc.constant<Step>({ do: 'reopen' }) },
    ),
  },
);

const steps = fc.array(step, { minLength: 4, maxLength: 40, size: 'max' });

/** Random worlds. Each begins with a group of some of its users, of whom the first owns it, and a direct conversation. */
export const worlds: fc.Arbitrary<World> = fc
  .record({
    limits: fc.constantFrom('small' as const, 'small' as const, 'large' as const),
    users: fc.integer({ min: 2, max: USERS_MAX }),
    startsAtMs: fc.constantFrom(12 * HOUR_MS, KEY_BUCKET_MS - MINUTE_MS),
    first: fc.uniqueArray(fc.nat(USERS_MAX - 1), { minLength: 1, maxLength: 4, size: 'max' }),
    secondRole: commonRole,
    steps,
  })
  .map(({ first, secondRole, steps, ...world }) => {
    const members = first.map((user, i) => ({ user, role: (['owner', secondRole] as const)[i] ?? 'member' }));
    const create: Order = {
      actor: { user: first[0] ?? 0 },
      room: 0,
      skewMs: 0,
      draft: { op: 'conversation.create', title: 'plans', members },
    };
    const direct: Order = { actor: { user: 0 }, room: 2, skewMs: 0, draft: { op: 'conversation.create', title: undefined, members } };
    return { ...world, steps: [{ do: 'commands', orders: [create, direct] }, ...steps] };
  });
