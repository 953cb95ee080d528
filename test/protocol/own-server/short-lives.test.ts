import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { startServer } from '../helpers/server.ts';
import { Wire } from '../helpers/wire.ts';
import { person, useServer } from '../helpers/world.ts';

/** What takes minutes with the defaults, on a server that is set to seconds. */
const world = useServer(() => startServer({ JWT_ACCESS_SECONDS: '10', WS_HEARTBEAT_MS: '1000', WS_PONG_TIMEOUT_MS: '1000' }));

// Side by side: most of what these tests do is wait for a token to expire.
suite('with short lives', { concurrency: true }, () => {
  test('§11.4 a token about to expire is told, and without session.refresh the connection closes with 4005', async (t) => {
    const ana = await person(t, world, 'ana');
    const wire = await ana.connect();
    const expiring = await wire.next((frame) => frame.type === 'session.expiring');
    assert.equal(expiring['expiresAt'], ana.accessTokenExpiresAt);
    assert.deepEqual(await wire.closed, { code: 4005, reason: 'access token expired' });
    const { status, body } = await Wire.refused(world.server.wsUrl, { headers: { authorization: `Bearer ${ana.accessToken}` } });
    assert.deepEqual([status, body.error.code], [401, 'CHAT_ERR_TOKEN_EXPIRED']);
  });

  test('§11.4 session.refresh carries a connection over the expiry of its token, and the warning comes again for the next', async (t) => {
    const ana = await person(t, world, 'ana');
    const wire = await ana.connect();
    await wire.next((frame) => frame.type === 'session.expiring');
    const fresh = await world.rest.expect<typeof ana>('POST', '/v1/sessions/refresh', { body: { refreshToken: ana.refreshToken } });
    await wire.ok({ type: 'session.refresh', accessToken: fresh.accessToken });
    const again = await wire.next((frame) => frame.type === 'session.expiring');
    assert.equal(again['expiresAt'], fresh.accessTokenExpiresAt);
    assert.ok(Date.now() < fresh.accessTokenExpiresAt);
    await wire.settled();
  });

  test('§11.4 an expired token is refused by session.refresh with CHAT_ERR_TOKEN_EXPIRED', async (t) => {
    const ana = await person(t, world, 'ana');
    const first = await ana.connect();
    await first.closed;
    const fresh = await world.rest.expect<typeof ana>('POST', '/v1/sessions/refresh', { body: { refreshToken: ana.refreshToken } });
    const wire = await Wire.live(world.server.wsUrl, fresh.accessToken);
    t.after(() => wire.close());
    assert.equal(await wire.refusal({ type: 'session.refresh', accessToken: ana.accessToken }), 'CHAT_ERR_TOKEN_EXPIRED');
  });

  test('§11.1 the server pings every heartbeatMs', async (t) => {
    const wire = await (await person(t, world, 'ana')).connect('fresh');
    assert.equal(wire.frames[0]?.['heartbeatMs'], 1000);
    for (let i = 0; i < 2; i++) await new Promise((resolve) => wire.socket.once('ping', resolve));
  });

  test('§11.1 §13.1 a client that answers no ping is closed', async (t) => {
    const ana = await person(t, world, 'ana');
    const wire = await Wire.open(world.server.wsUrl, ana.accessToken, { autoPong: false });
    t.after(() => wire.close());
    // The socket is cut right after the close frame, which may be lost with it.
    assert.ok([4002, 1006].includes((await wire.closed).code));
  });
});
