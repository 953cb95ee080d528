import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Length } from '../../client/utf8.ts';
import type * as wire from '../../client/wire.ts';
import type * as conversations from '../../shared/conversations.ts';
import type { Event, EventName, EventOf } from '../../shared/events.ts';
import { type ClientFrame, type ClientFrameType, type Limits, SERVER_FRAMES, type ServerFrame } from '../../shared/frames.ts';
import type * as primitives from '../../shared/primitives.ts';

/** Each may stand for the other: `true`, or a type error on the line that says so. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

/** The compiler is the test: these lines do not type-check when the client's types and the server's schemas part. */
const same: true[] = [
  true satisfies Same<wire.ChatEvent, Event>,
  true satisfies Same<wire.EventName, EventName>,
  true satisfies Same<wire.EventDataByName, { [N in EventName]: EventOf<N>['data'] }>,
  true satisfies Same<wire.Conversation, conversations.Conversation>,
  true satisfies Same<wire.Cursor, primitives.Cursor>,
  true satisfies Same<wire.Limits, Limits>,
  true satisfies Same<wire.ClientFrameType, ClientFrameType>,
  true satisfies Same<wire.ClientFrame, ClientFrame>,
  true satisfies Same<wire.ServerFrame, ServerFrame>,
];

test('the client’s types and the server’s schemas are the same, frame by frame', () => {
  const serverFrames: Record<wire.ServerFrameType, true> = {
    welcome: true,
    ok: true,
    error: true,
    receipt: true,
    typing: true,
    presence: true,
    conversation: true,
    'sync.page': true,
    'sync.reset': true,
    'sync.done': true,
    'session.expiring': true,
    reconnect: true,
    pong: true,
  };
  assert.deepEqual(Object.keys(serverFrames).sort(), Object.keys(SERVER_FRAMES).sort());
  assert.ok(same.every(Boolean));
});

test('the length of a text in bytes is that of its UTF-8', () => {
  for (const text of ['', 'abc', 'ü', '€', '👍🏽', 'a\ud800b', '\udc00', '\ud800', '߿ࠀ\uffff\u{10000}']) {
    assert.equal(utf8Length(text), Buffer.byteLength(text), JSON.stringify(text));
  }
});
