import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertError, build, newGroup } from '../../helpers/gateway.ts';

test('marks as read: unread falls, others see it, and it never moves back', async (t) => {
  const gateway = await build(t);
  const [ana, bob] = [await gateway.as('ana'), await gateway.as('bob')];
  const { id } = await newGroup(ana, 'bob');
  const seqs: number[] = [];
  for (let i = 0; i < 3; i++) seqs.push((await ana('POST', `/conversations/${id}/messages`, { text: `${i}` })).body.seq);
  assert.equal((await bob('GET', `/conversations/${id}`)).body.unread, 3);
  assert.equal((await bob('PUT', `/conversations/${id}/read`, { seq: seqs[1] })).status, 204);
  assert.equal((await bob('GET', `/conversations/${id}`)).body.unread, 1);
  assert.equal((await bob('PUT', `/conversations/${id}/read`, { seq: seqs[0] })).status, 204);
  const { reads } = (await ana('GET', `/conversations/${id}/reads`)).body;
  assert.deepEqual(
    reads.find(({ userId }: { userId: string }) => userId === 'bob'),
    { userId: 'bob', readSeq: seqs[1], deliveredSeq: seqs[1] },
  );
});

test('wants a seq', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana);
  for (const body of [{}, { seq: 0 }, { seq: '1' }, { seq: 1.5 }]) {
    assertError(await ana('PUT', `/conversations/${id}/read`, body), 400, 'CHAT_ERR_BAD_REQUEST', /^body.*seq/);
  }
});
