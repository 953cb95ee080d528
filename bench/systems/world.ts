import { createHash, randomBytes } from 'node:crypto';
import { ACTIVE_MS, type Engine } from '../../engine/engine.ts';
import { Executor } from '../../messaging/executor.ts';
import { DEFAULT_LIMITS } from '../../messaging/rules/rule.ts';
import { groupConversationId, newEventId, newSessionId } from '../../shared/ids.ts';
import { TokenKey } from '../lib/keys.ts';

/** One key for all servers of a run. */
export const tokenKey = new TokenKey();

export interface User {
  userId: string;
  token: string;
}

/** Users with sessions, and groups of them, put straight into a store: signing 90,000 users in over REST is not what is measured. */
export interface World {
  users: User[];
  /** Conversation ids, in the order of the groups asked for. */
  conversations: string[];
}

export interface WorldSpec {
  users: number;
  /** Members of each group, as indexes of users; the first owns it. */
  groups: readonly (readonly number[])[];
  /** Messages already in each group's log. */
  history?: number;
  /** Inactive groups cost an activation at the first message. Default active. */
  inactive?: boolean;
}

const CHUNK = 500;

async function inChunks<T>(items: readonly T[], work: (chunk: readonly T[]) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += CHUNK) await work(items.slice(i, i + CHUNK));
}

export async function buildWorld(engine: Engine, { users: count, groups, history = 0, inactive = false }: WorldSpec): Promise<World> {
  const at = Date.now();
  const { store } = engine;
  const executor = new Executor(engine.log, DEFAULT_LIMITS);
  const users: User[] = [];
  const refreshHash = createHash('sha256').update(randomBytes(32)).digest('base64url');
  await inChunks([...Array(count).keys()], (chunk) =>
    Promise.all(
      chunk.map((i) => {
        const userId = `user-${String(i).padStart(6, '0')}`;
        const session = {
          id: newSessionId(),
          userId,
          deviceId: `device-${i}`,
          createdBy: 'bench',
          createdAt: at,
          lastUsedAt: at,
          expiresAt: at + 86_400_000,
        };
        users[i] = { userId, token: tokenKey.token(userId, session.id, session.deviceId) };
        return store.createSession(session, refreshHash);
      }),
    ),
  );
  const made = groups.map((members) => ({ id: groupConversationId('bench'), members }));
  const name = (i: number): string => (users[i] as User).userId;
  const run = async (commands: readonly { conversationId: string; [key: string]: unknown }[]): Promise<void> =>
    inChunks(commands, async (chunk) => {
      const results = await executor.execute(chunk.map((command) => ({ command: command as never, eventId: newEventId(), at })));
      const failed = results.find((result) => !result.ok);
      if (failed !== undefined) throw new Error(JSON.stringify(failed));
    });
  await run(
    made.map(({ id, members }) => ({
      op: 'conversation.create',
      conversationId: id,
      actorId: name(members[0] as number),
      kind: 'group',
      members: members.slice(0, 100).map((member, i) => ({ userId: name(member), role: i === 0 ? 'owner' : 'member' })),
    })),
  );
  const additions = made.flatMap(({ id, members }) => {
    const commands = [];
    for (let i = 100; i < members.length; i += 100) {
      const newcomers = members.slice(i, i + 100).map((member) => ({ userId: name(member), role: 'member' }));
      commands.push({ op: 'member.add', conversationId: id, actorId: name(members[0] as number), members: newcomers });
    }
    return commands;
  });
  await run(additions);
  const past = Array.from({ length: history }, (_, n) =>
    made.map(({ id, members }) => ({
      op: 'message.send',
      conversationId: id,
      actorId: name(members[0] as number),
      clientMessageId: `history-${n}`,
      text: 'The quick brown fox jumps over the lazy dog, and then it rests for a while in the shade of an old oak.',
    })),
  );
  await run(past.flat());
  const until = inactive ? at + 1 : at + ACTIVE_MS;
  await inChunks(made, (chunk) =>
    Promise.all(
      chunk.map(async ({ id, members }) => {
        for (let i = 0; i < members.length; i += 1000) await store.recordActivation(id, members.slice(i, i + 1000).map(name), until);
        const [log] = await store.heads([id]);
        if (log !== undefined) await executor.confirmActivation(id, { epoch: log.epoch, from: 1, until, listedThrough: log.head });
      }),
    ),
  );
  return { users, conversations: made.map(({ id }) => id) };
}

/** `count` users in groups of `size`, each user in `perUser` of them. */
export function evenGroups(count: number, size: number, perUser: number): number[][] {
  const groups: number[][] = [];
  for (let layer = 0; layer < perUser; layer++) {
    for (let i = 0; i < count; i += size) {
      // Each layer mixes the users anew: neighbours in one group are apart in the next.
      groups.push(
        Array.from({ length: Math.min(size, count - i) }, (_, j) =>
          layer === 0 ? i + j : (i / size + j * Math.ceil(count / size) + layer) % count,
        ),
      );
    }
  }
  return groups.map((members) => [...new Set(members)]);
}

/** The conversations of each user. */
export function roomsByUser(world: World, groups: readonly (readonly number[])[]): string[][] {
  const rooms: string[][] = world.users.map(() => []);
  for (const [g, members] of groups.entries()) for (const member of members) rooms[member]?.push(world.conversations[g] as string);
  return rooms;
}
