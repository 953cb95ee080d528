import { after, before, type TestContext } from 'node:test';
import { newName, Rest, type Tokens } from './rest.ts';
import { reachServer, type Server } from './server.ts';
import { type Frame, Wire } from './wire.ts';

/** One server for all tests of a file. */
export interface World {
  server: Server;
  rest: Rest;
}

/** Reaches or starts the server before the first test of this file, and ends what was started after the last. */
export function useServer(start: () => Promise<Server> = reachServer): World {
  const world = {} as World;
  before(async () => {
    world.server = await start();
    world.rest = new Rest(world.server);
  });
  after(() => world.server?.stop());
  return world;
}

/** A user nobody else has met, signed in. */
export interface Person extends Tokens {
  /** A connection, closed after the test; `live` unless told. */
  connect(state?: 'fresh' | 'live'): Promise<Wire>;
}

export async function person(t: TestContext, { rest, server }: World, name: string): Promise<Person> {
  const tokens = await rest.signIn(newName(name));
  return {
    ...tokens,
    connect: async (state = 'live') => {
      const wire = state === 'live' ? await Wire.live(server.wsUrl, tokens.accessToken) : await Wire.open(server.wsUrl, tokens.accessToken);
      t.after(() => wire.close());
      return wire;
    },
  };
}

/** Ana and Bob in a direct conversation, both live. */
export async function pair(t: TestContext, world: World) {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.direct(ana.userId, bob.userId);
  const [a, b] = await Promise.all([ana.connect(), bob.connect()]);
  return { ana, bob, a, b, conversationId };
}

let count = 0;

/** A message.send frame with a key of its own. */
export function message(conversationId: string, text: string, fields: object = {}): { clientMessageId: string } & Record<string, unknown> {
  return { type: 'message.send', conversationId, clientMessageId: `m-${process.pid}-${++count}`, text, ...fields };
}

/** The page a sync told of one conversation. */
export function pageOf(frames: Frame[], conversationId: string): Frame | undefined {
  return frames.find((frame) => frame.type === 'sync.page' && frame['conversationId'] === conversationId);
}
