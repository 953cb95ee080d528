import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import type { CommitOutcome } from '../../../engine/conversation-log.ts';
import { ServiceTokenSigner } from '../../../shared/service/service-token.ts';
import { interposed } from '../../helpers/interposed-engine.ts';
import { type Built, build, SECRET } from '../build-messaging.ts';

let messageIds = 0;

const message = (conversationId: string) => ({
  ...{ op: 'message.send', conversationId, actorId: 'ana', clientMessageId: `m${++messageIds}`, text: 'Hello' },
});

async function group(built: Built): Promise<string> {
  const { body } = await built.post('conversations/create', { actorId: 'ana', kind: 'group', memberIds: ['bob'] });
  return body.conversation.id;
}

const codes = (results: { ok: boolean; error?: { code: string } }[]) => results.map((result) => (result.ok ? 'ok' : result.error?.code));

/** A service whose store does not answer for one conversation until it is let go. */
async function withSlowConversation(t: TestContext) {
  const slow: string[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const built = await build(t, {
    wrap: (engine) =>
      interposed(engine, {
        log: (log) => ({
          commit: (commits, each) =>
            Promise.all(
              commits.map(async (commit, place) => {
                if (slow.includes(commit.conversationId)) await released;
                const [outcome] = (await log.commit([commit])) as [CommitOutcome];
                each?.(place, outcome);
                return outcome;
              }),
            ),
        }),
      }),
  });
  t.after(() => release());
  return { built, slow, release };
}

function callInParts(built: Built, list: unknown[], headers: Record<string, string> = {}) {
  const stream = built.session.request({
    ':method': 'POST',
    ':path': '/internal/v1/commands',
    authorization: `Bearer ${new ServiceTokenSigner({ secret: SECRET, issuer: 'test', clock: built.clock }).current()}`,
    'content-type': 'application/json',
    accept: 'application/json, application/x-ndjson',
    ...headers,
  });
  stream.setEncoding('utf8').end(JSON.stringify({ commands: list }));
  return stream;
}

test('results that are ready are given before those that are not, to a caller that takes them in parts', async (t) => {
  const { built, slow, release } = await withSlowConversation(t);
  const [held, ready] = [await group(built), await group(built)];
  slow.push(held);
  const stream = callInParts(built, [message(held), message(ready)]);
  const lines = createInterface(stream)[Symbol.asyncIterator]();
  const first = JSON.parse((await lines.next()).value as string);
  assert.equal(first.results.length, 1);
  assert.equal(first.results[0][0], 1);
  assert.equal(first.results[0][1].conversationId, ready);
  release();
  const last = JSON.parse((await lines.next()).value as string);
  assert.deepEqual([last.results[0][0], last.results[0][1].ok], [0, true]);
  assert.equal((await lines.next()).done, true);
});

test('results that are ready together are one answer', async (t) => {
  const built = await build(t);
  const id = await group(built);
  let text = '';
  for await (const chunk of callInParts(built, [message(id), message(id)])) text += chunk;
  assert.deepEqual(codes(JSON.parse(text).results), ['ok', 'ok']);
});

test('a command that is not done when its caller gives up is answered before that, and the others with it', async (t) => {
  const { built, slow } = await withSlowConversation(t);
  const [held, ready] = [await group(built), await group(built)];
  slow.push(held);
  const { body } = await built.request(
    {
      ':method': 'POST',
      ':path': '/internal/v1/commands',
      authorization: `Bearer ${new ServiceTokenSigner({ secret: SECRET, issuer: 'test', clock: built.clock }).current()}`,
      'content-type': 'application/json',
      'answer-within-ms': '50',
    },
    JSON.stringify({ commands: [message(held), message(ready)] }),
  );
  assert.deepEqual(codes(body.results), ['CHAT_ERR_TIMEOUT', 'ok']);
});
