import type { Demo } from '../../scripts/demo.ts';
import type { Cursors } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';

/** Groups of a host and one other user, which nobody else knows. */
export interface Stage {
  hostId: string;
  userId: string;
  /** Where each group stood when it was made: the place before its messages. */
  cursors: Cursors;
}

/** Groups that are made side by side. */
const SIDE_BY_SIDE = 20;

let stages = 0;

/** Makes groups with so many messages each. */
export async function makeStage(gateway: Demo, groups: number, messages = 0): Promise<Stage> {
  const stage = ++stages;
  const hostId = `host-of-stage-${stage}`;
  const userId = `guest-of-stage-${stage}`;
  const rest = partner(gateway);
  const cursors: Cursors = {};
  const make = async (i: number): Promise<void> => {
    const { id, head, epoch } = await rest.group(hostId, [userId], `Group ${i}`);
    cursors[id] = { seq: head, epoch };
    for (let j = 0; j < messages; j++) await rest.call('POST', `/conversations/${id}/messages`, { text: `message ${j}` }, hostId);
  };
  for (let i = 0; i < groups; i += SIDE_BY_SIDE) {
    await Promise.all(Array.from({ length: Math.min(SIDE_BY_SIDE, groups - i) }, (_, j) => make(i + j)));
  }
  return { hostId, userId, cursors };
}
