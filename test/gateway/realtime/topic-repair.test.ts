import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConversationTopic } from '../../../gateway/realtime/delivery/topic.ts';
import { TopicRepair } from '../../../gateway/realtime/delivery/topic-repair.ts';
import type { Connection } from '../../../gateway/realtime/transport/connection.ts';
import { FlushScheduler } from '../../../gateway/realtime/transport/flush-scheduler.ts';
import { encodeEvent, encodeEventTail } from '../../../shared/event-text.ts';
import { readFrames } from '../../helpers/wire-frames.ts';

const conversationId = 'g-AAAAAAAAAAAAAAAAAAAAAA';
const epoch = 'e1';

function text(seq: number): string {
  const tail = encodeEventTail({ conversationId, id: `id-${seq}`, at: seq, actorId: 'ana', event: 'message.created', data: {} });
  return encodeEvent(seq, epoch, tail);
}

/** A topic at seq 1 with one live connection, and a log whose answers come when `gates` are opened. */
function build() {
  const log = { head: 1 };
  const gates: (() => void)[] = [];
  const gate = () => new Promise<void>((resolve) => gates.push(resolve));
  const answers: Record<string, (after: number) => unknown> = {
    range: (after) => ({ head: log.head, epoch, events: Array.from({ length: log.head - after }, (_, i) => text(after + 1 + i)) }),
    heads: () => ({ heads: [{ conversationId, head: log.head, epoch, activeUntil: 0 }] }),
  };
  const messaging = {
    call: async (name: string, { after = 0 }: { after?: number }) => {
      const answer = answers[name]?.(after);
      await gate();
      return answer;
    },
  };
  const repair = new TopicRepair(messaging as never, { gapRepairs: { inc() {} } } as never, { warn() {} } as never);
  const ignore = (): void => {};
  const topic = new ConversationTopic(
    {
      scheduler: new FlushScheduler(),
      repair: (one) => void repair.repair(one),
      rejoin: ignore,
      onRemoved: ignore,
      onEmpty: ignore,
      onDelivered: ignore,
      onViolation: ignore,
    },
    conversationId,
  );
  const sent: Buffer[] = [];
  const connection = { userId: 'bob', sendBuffer: { push: (frame: Buffer) => sent.push(frame) }, send: ignore } as unknown as Connection;
  topic.enter(topic.join(connection), { epoch, seq: 1 });
  const seqs = (): number[] => readFrames(Buffer.concat(sent)).map((frame) => JSON.parse(frame).seq);
  const open = (): void => gates.splice(0).forEach((one) => void one());
  return { log, gates, open, repair, topic, seqs };
}

test('an event that a comparison finds is read, at whichever moment the repair before it ends', async () => {
  for (let moment = 0; moment < 12; moment++) {
    const { log, gates, open, repair, topic, seqs } = build();
    void repair.repair(topic);
    log.head = 2;
    const compared = repair.compare([topic], () => {});
    const [answerRange, answerHeads] = gates.splice(0) as [() => void, () => void];
    answerRange();
    for (let i = 0; i < moment; i++) await undefined;
    answerHeads();
    await compared;
    for (let round = 0; round < 4; round++) {
      open();
      await nextTurn();
    }
    topic.flush();
    assert.deepEqual(seqs(), [2], `the comparison came ${moment} microtasks after the answer`);
  }
});
