import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertError, build, newGroup } from '../../helpers/gateway.ts';

test('reads the whole log in order, page by page, and goes on later from the same cursor', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, 'bob');
  for (let i = 0; i < 4; i++) await ana('POST', `/conversations/${id}/messages`, { text: `${i}` });
  const seqs: number[] = [];
  let page = (await ana('GET', `/conversations/${id}/events?limit=2`)).body;
  for (;;) {
    seqs.push(...page.events.map(({ seq }: { seq: number }) => seq));
    if (!page.hasMore) break;
    page = (await ana('GET', `/conversations/${id}/events?limit=2&cursor=${page.nextCursor}`)).body;
  }
  assert.deepEqual(
    seqs,
    Array.from({ length: page.head }, (_, i) => i + 1),
  );
  const quiet = (await ana('GET', `/conversations/${id}/events?cursor=${page.nextCursor}`)).body;
  assert.deepEqual([quiet.events, quiet.hasMore, quiet.nextCursor], [[], false, page.nextCursor]);
  await ana('POST', `/conversations/${id}/messages`, { text: 'news' });
  const news = (await ana('GET', `/conversations/${id}/events?cursor=${quiet.nextCursor}`)).body;
  assert.deepEqual(
    news.events.map(({ data }: { data: { text: string } }) => data.text),
    ['news'],
  );
});

test('starts after a seq', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id, head } = await newGroup(ana, 'bob');
  await ana('POST', `/conversations/${id}/messages`, { text: 'x' });
  const { events } = (await ana('GET', `/conversations/${id}/events?after=${head}`)).body;
  assert.deepEqual(
    events.map(({ event, seq }: Record<string, unknown>) => ({ event, seq })),
    [{ event: 'message.created', seq: head + 1 }],
  );
  assertError(await ana('GET', `/conversations/${id}/events?after=-1`), 400, 'CHAT_ERR_BAD_REQUEST', /^query\.after/);
  assertError(await ana('GET', `/conversations/${id}/events?after=1&cursor=x`), 400, 'CHAT_ERR_BAD_REQUEST', /not both/);
});

test('a cursor of another history is told so, never silently continued', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, 'bob');
  const cursor = Buffer.from(JSON.stringify(['events', 1, 'another-epoch'])).toString('base64url');
  assertError(await ana('GET', `/conversations/${id}/events?cursor=${cursor}`), 410, 'CHAT_ERR_CURSOR_STALE');
  assertError(await ana('GET', `/conversations/${id}/events?cursor=${cursor.slice(0, -6)}`), 400, 'CHAT_ERR_BAD_CURSOR');
});

test('shows every kind of event in its documented shape', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, 'bob');
  const { seq } = (await ana('POST', `/conversations/${id}/messages`, { text: 'x' })).body;
  await ana('PATCH', `/conversations/${id}/messages/${seq}`, { text: 'y' });
  await ana('PUT', `/conversations/${id}/messages/${seq}/reactions/x`);
  await ana('DELETE', `/conversations/${id}/messages/${seq}/reactions/x`);
  await ana('DELETE', `/conversations/${id}/messages/${seq}`);
  await ana('PATCH', `/conversations/${id}`, { title: 'z' });
  await ana('DELETE', `/conversations/${id}/members/bob`);
  const { events } = (await ana('GET', `/conversations/${id}/events`)).body;
  assert.deepEqual(
    events.map(({ event }: { event: string }) => event),
    [
      'member.added',
      'message.created',
      'message.edited',
      'reaction.added',
      'reaction.removed',
      'message.deleted',
      'conversation.updated',
      'member.removed',
    ],
  );
});
