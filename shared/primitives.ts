import Type, { type Static } from 'typebox';

/** A user, as the partner system names it: 1 to 64 of `A-Z a-z 0-9 . _ @ : + -`. Chosen by the partner, never by this system. */
export const UserId = Type.String({
  pattern: '^[A-Za-z0-9._@:+-]{1,64}$',
  description: 'A user, as your own system names it: 1 to 64 letters, digits or . _ @ : + -',
  examples: ['ana'],
});
export type UserId = Static<typeof UserId>;

/** `d-…` for a direct conversation (derived from its pair of users), `g-…` for a group. */
export const ConversationId = Type.String({
  pattern: '^[dg]-[A-Za-z0-9_-]{22}$',
  description: 'd-… is a direct conversation, g-… a group',
  examples: ['g-hYt6kCqZ0uJm3nW8xR2b1Q'],
});
export type ConversationId = Static<typeof ConversationId>;

/** A device of a user, chosen by the app: 1 to 64 of `A-Z a-z 0-9 . _ : -`. */
export const DeviceId = Type.String({
  pattern: '^[A-Za-z0-9._:-]{1,64}$',
  description: 'A device, as the app names it; stable across launches',
  examples: ['pixel-9'],
});
export type DeviceId = Static<typeof DeviceId>;

export const SessionId = Type.String({
  pattern: '^s-[A-Za-z0-9_-]{22}$',
  description: 'A signed-in device',
  examples: ['s-3Jb0q1Xb7sK2mVd9TtY4zA'],
});
export type SessionId = Static<typeof SessionId>;

/** A position in a conversation's log: 1, 2, 3, … without gaps. Also the address of the message created there. */
export const Seq = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Position in the conversation: 1, 2, 3, … without gaps; the address of the message created there',
  examples: [42],
});
export type Seq = Static<typeof Seq>;

/** A cursor position: the last seq seen, 0 for none. */
export const CursorSeq = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'The last seq seen; 0 for none',
  examples: [41],
});

/** Names one history of a conversation. It changes when the log was rebuilt or lost entries, and makes older cursors void. */
export const Epoch = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,32}$',
  description: 'Names one history of the conversation; a cursor of another epoch is void',
  examples: ['m1k9x2'],
});
export type Epoch = Static<typeof Epoch>;

/** The sender's idempotency key for a message; unique per sender and conversation for at least 24 hours. */
export const ClientMessageId = Type.String({
  pattern: '^[A-Za-z0-9._:-]{1,64}$',
  description: 'Idempotency key chosen by the sender; a repeat within 24 hours returns the first result',
  examples: ['c2f1b7de-0001'],
});
export type ClientMessageId = Static<typeof ClientMessageId>;

export const TimestampMs = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Unix time in milliseconds',
  examples: [1763910000000],
});

/** Message text. The limit of 8 KiB of UTF-8 is checked where it is stored, with an error of its own; this one only bounds the work. */
export const Text = Type.String({ minLength: 1, maxLength: 65_536, description: 'At most 8 KiB of UTF-8', examples: ['Hello Bob'] });

/** Application data carried with a message: a JSON object of at most 4 KiB and 8 levels. */
export const Metadata = Type.Record(Type.String({ minLength: 1, maxLength: 64 }), Type.Unknown(), {
  maxProperties: 64,
  description: 'Application data: a JSON object of at most 4 KiB and 8 levels',
  examples: [{ color: 'green' }],
});
export type Metadata = Static<typeof Metadata>;

/** One emoji or a short code; never control characters. */
export const Emoji = Type.String({
  minLength: 1,
  maxLength: 32,
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
  description: 'An emoji or a short code',
  examples: ['👍'],
});

export const Title = Type.String({ minLength: 1, maxLength: 200, description: 'Name of a group', examples: ['Weekend plans'] });

export const Role = Type.Union([Type.Literal('owner'), Type.Literal('admin'), Type.Literal('member')], {
  description: 'owner: all; admin: rename, add and remove members, delete messages; member: talk and leave',
  examples: ['member'],
});
export type Role = Static<typeof Role>;

/** A member as events name one. */
export const MemberRef = Type.Object({ userId: UserId, role: Role }, { description: 'A member as events name one' });
export type MemberRef = Static<typeof MemberRef>;

export const ConversationKind = Type.Union([Type.Literal('direct'), Type.Literal('group')], { examples: ['group'] });
export type ConversationKind = Static<typeof ConversationKind>;

/** A client's place in one conversation. */
export const Cursor = Type.Object(
  { seq: CursorSeq, epoch: Type.Optional(Epoch) },
  { additionalProperties: false, description: 'The last event seen in a conversation; leave epoch out when nothing was seen yet' },
);
export type Cursor = Static<typeof Cursor>;
