import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Scope } from '../../../shared/scopes.ts';
import { assertError, build } from '../../helpers/gateway.ts';

const onBehalfOf = (userId: string) => ({ 'x-on-behalf-of': userId });

test('acts for the user it names, within its scopes', async (t) => {
  const gateway = await build(t);
  const token = await gateway.partnerKey(['conversations:write', 'messages:write']);
  const { body: group } = await gateway.request('POST', '/v1/conversations', {
    token,
    headers: onBehalfOf('ana'),
    body: { kind: 'group', memberIds: ['bob'] },
  });
  assert.equal(group.role, 'owner');
  const path = `/v1/conversations/${group.id}/messages`;
  assert.equal((await gateway.request('POST', path, { token, headers: onBehalfOf('bob'), body: { text: 'hi' } })).status, 201);
  assertError(await gateway.request('POST', path, { token, headers: onBehalfOf('eve'), body: { text: 'hi' } }), 403, 'CHAT_ERR_NOT_MEMBER');
  assertError(await gateway.request('GET', path, { token, headers: onBehalfOf('bob') }), 403, 'CHAT_ERR_FORBIDDEN', /messages:read/);
});

test('every operation wants the scope that its document names', async (t) => {
  const gateway = await build(t);
  const paths = gateway.app.swagger().paths as Record<string, Record<string, { security?: Record<string, string[]>[] }>>;
  const placeholders: Record<string, string> = {
    conversationId: `g-${'a'.repeat(22)}`,
    seq: '1',
    emoji: 'x',
    userId: 'bob',
    sessionId: `s-${'a'.repeat(22)}`,
  };
  const none = await gateway.partnerKey([]);
  let checked = 0;
  for (const [template, operations] of Object.entries(paths)) {
    for (const [method, { security = [] }] of Object.entries(operations)) {
      const scope = security.flatMap((alternative) => alternative['partnerKey'] ?? [])[0] as Scope | undefined;
      if (scope === undefined || (template === '/v1/sessions' && method === 'post')) continue;
      const url = template.replace(/\{(\w+)\}/g, (_match, name: string) => placeholders[name] as string);
      const verb = method.toUpperCase() as 'GET';
      const others = await gateway.partnerKey(
        (['sessions:write', 'conversations:read', 'conversations:write', 'messages:read', 'messages:write'] as const).filter(
          (other) => other !== scope,
        ),
      );
      for (const token of [none, others]) {
        const answer = await gateway.request(verb, url, { token, headers: onBehalfOf('ana') });
        assertError(answer, 403, 'CHAT_ERR_FORBIDDEN', new RegExp(scope));
      }
      const granted = await gateway.request(verb, url, { token: await gateway.partnerKey([scope]), headers: onBehalfOf('ana') });
      assert.notEqual(granted.body?.error?.code, 'CHAT_ERR_FORBIDDEN', `${verb} ${url}`);
      checked += 1;
    }
  }
  assert.equal(checked, 20);
});

test('needs to be told whom it acts for, as a user id', async (t) => {
  const gateway = await build(t);
  const token = await gateway.partnerKey();
  assertError(await gateway.request('GET', '/v1/conversations', { token }), 400, 'CHAT_ERR_BAD_REQUEST', /X-On-Behalf-Of/);
  for (const bad of ['a b', 'x'.repeat(65), 'ana,bob']) {
    assertError(
      await gateway.request('GET', '/v1/conversations', { token, headers: onBehalfOf(bad) }),
      400,
      'CHAT_ERR_BAD_REQUEST',
      /X-On-Behalf-Of/,
    );
  }
});

test('a signed-in user acts for nobody else', async (t) => {
  const gateway = await build(t);
  const { accessToken: token } = await gateway.signIn('ana');
  assertError(await gateway.request('GET', '/v1/conversations', { token, headers: onBehalfOf('bob') }), 403, 'CHAT_ERR_FORBIDDEN');
  assert.equal((await gateway.request('GET', '/v1/conversations', { token, headers: onBehalfOf('ana') })).status, 200);
});

test('stops working the moment it is revoked', async (t) => {
  const gateway = await build(t);
  const { key, credential: token } = await gateway.app.auth.partnerKeys.create('shop');
  const headers = onBehalfOf('ana');
  assert.equal((await gateway.request('GET', '/v1/conversations', { token, headers })).status, 200);
  assert.equal(await gateway.engine.store.revokePartnerKey(key.id, Date.now()), true);
  assertError(await gateway.request('GET', '/v1/conversations', { token, headers }), 401, 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses wrong secrets, unknown ids and other shapes alike', async (t) => {
  const gateway = await build(t);
  const { key, credential } = await gateway.app.auth.partnerKeys.create('shop');
  const secret = credential.slice(-43);
  const wrong = `${secret[0] === 'A' ? 'B' : 'A'}${secret.slice(1)}`;
  const messages = new Set<string>();
  for (const token of [
    `ck_${key.id}_${wrong}`,
    `ck_${'0'.repeat(16)}_${secret}`,
    `ck_${key.id}_`,
    `${credential}x`,
    'ck_',
    `ck_${key.id}`,
  ]) {
    const answer = await gateway.request('GET', '/v1/conversations', { token, headers: onBehalfOf('ana') });
    messages.add(assertError(answer, 401, 'CHAT_ERR_UNAUTHORIZED').message);
  }
  assert.equal(messages.size, 1);
});

test('only a hash of the secret is stored', async (t) => {
  const gateway = await build(t);
  const { key, credential } = await gateway.app.auth.partnerKeys.create('shop');
  const stored = JSON.stringify(await gateway.engine.store.partnerKey(key.id));
  assert.ok(!stored.includes(credential.slice(-43)));
});
