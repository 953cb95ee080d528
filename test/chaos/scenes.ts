import type { ChatLoad } from './chat-load.ts';
import { patientPartner } from './patient-partner.ts';
import { pause, until } from './until.ts';

/** What users do, and what is done to them, beside the steady chat. */

const RETURN_MS = 30_000;
let saidOutside = 0;

/**
 * Everybody was dropped: when so many devices are catching up, a message goes into each conversation from outside, as from a partner's
 * server. Resolves when all are acknowledged.
 */
export async function sayAsTheyReturn(load: ChatLoad, devices: number, spreadMs: number): Promise<void> {
  const { demo, history, random } = load.options;
  const call = patientPartner(demo);
  await until(
    () => load.devices.filter(({ state }) => state === 'catchingUp' || state === 'live').length >= devices,
    () => `${devices} devices are back`,
    RETURN_MS,
  );
  const said = [...load.conversations].map(async ([conversation, [owner = '']]) => {
    const device = load.devicesOf([owner])[0]!.name;
    const id = `${device.replace('/', '.')}:outside:${++saidOutside}`;
    const text = `${id} says something while everybody returns`;
    await pause(spreadMs * random());
    history.write({ kind: 'send', device, conversation, id, text });
    const path = `/conversations/${conversation}/messages`;
    const { seq, epoch } = await call<{ seq: number; epoch: string }>('POST', path, { text }, owner, { 'idempotency-key': id });
    history.write({ kind: 'ack', device, conversation, id, epoch, seq });
    load.noteAck(conversation, seq);
  });
  await Promise.all(said);
}

/** Members of some groups are dropped, and put out while their devices catch up. Answers how many there were. */
export async function removeWhileSyncing(load: ChatLoad, groups: number, delayMs: number): Promise<number> {
  const chosen = load.churn.someMembers(groups);
  await Promise.all(
    chosen.map(async ({ group, user }) => {
      const own = load.devicesOf([user]);
      const catchesUp = new Promise<void>((resolve) => {
        const stop = load.onState((device, { state }) => {
          if (device !== own[0] || state !== 'catchingUp') return;
          stop();
          resolve();
        });
      });
      for (const device of own) device.drop();
      await catchesUp;
      await pause(delayMs);
      await load.churn.remove(group, user);
      load.devicesOf([group.owner])[0]?.send(group.conversation);
    }),
  );
  return chosen.length;
}

/** Users close the app on all their devices. Answers who. */
export async function leave(load: ChatLoad, first: number, count: number): Promise<string[]> {
  const users = [...new Set(load.devices.map(({ userId }) => userId))];
  const leaving = Array.from({ length: count }, (_, i) => users[(first + i) % users.length]!);
  await Promise.all(load.devicesOf(leaving).map((device) => device.leave()));
  return leaving;
}

export async function comeBack(load: ChatLoad, users: readonly string[]): Promise<void> {
  await Promise.all(load.devicesOf(users).map((device) => device.comeBack()));
}
