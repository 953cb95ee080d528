import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rest } from '../helpers/rest.ts';
import { startServer } from '../helpers/server.ts';
import { Wire } from '../helpers/wire.ts';
import { message, pair, person } from '../helpers/world.ts';

/** Servers that are told to stop. */
for (const [what, leaves] of [
  ['clients that leave when told', true],
  ['clients that stay', false],
] as const) {
  test(`§11.5 a server that goes away says reconnect, serves meanwhile, closes with 4000 and exits with 0: ${what}`, async (t) => {
    const server = await startServer({ DRAIN_SECONDS: '2' });
    t.after(() => server.stop());
    const world = { server, rest: new Rest(server) };
    const { a, b, conversationId } = await pair(t, world);
    const carla = await person(t, world, 'carla');
    const exited = server.terminate();
    const told = await a.next((frame) => frame.type === 'reconnect');
    assert.ok(Number.isInteger(told['afterMs']) && told['afterMs'] >= 0);
    const { seq } = await a.ok(message(conversationId, 'while it lasts'));
    assert.ok(seq > 0);
    const { status, body } = await Wire.refused(server.wsUrl, { headers: { authorization: `Bearer ${carla.accessToken}` } });
    assert.deepEqual([status, body.error.code, body.error.temporary], [503, 'CHAT_ERR_DRAINING', true]);
    await b.next((frame) => frame.type === 'reconnect');
    if (leaves) for (const wire of [a, b]) wire.socket.close(1000);
    for (const wire of [a, b]) assert.equal((await wire.closed).code, leaves ? 1000 : 4000);
    assert.equal(await exited, 0);
  });
}
