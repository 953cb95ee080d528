import type { Demo } from '../../bin/demo.ts';
import { Device, type DeviceOptions } from './device.ts';
import type { HistoryWriter } from './history.ts';
import type { ChurningGroup } from './member-churn.ts';
import { patientPartner } from './patient-partner.ts';
import { shuffled } from './random.ts';

/** How many devices users have, in turn. */
const DEVICES = [1, 2, 1, 3];

export interface LoadOptions {
  demo: Demo;
  history: HistoryWriter;
  random: () => number;
  users: number;
  groups: number;
  groupSize: number;
  /** Groups of everybody in which nobody says anything, but when a crowd rejoins. */
  halls: number;
  /** Messages and changes per second, all devices together. */
  rate: number;
  /** Users who come or go, per second, all groups together. */
  churn: number;
}

export interface Conversations {
  /** Members by conversation, the owner first. */
  conversations: Map<string, string[]>;
  /** Those of them in which people chat all the time. */
  busy: Map<string, string[]>;
  /** Groups whose members come and go. */
  groups: ChurningGroup[];
  /** Whom each user wants to know of: those with whom he shares a group whose members stay. */
  watching: Map<string, Set<string>>;
}

/** Groups, every other of them with members who come and go; a direct conversation for each pair; and halls in which all users are. */
export async function makeConversations(options: LoadOptions, users: readonly string[]): Promise<Conversations> {
  const { demo, history, random } = options;
  const call = patientPartner(demo);
  const conversations = new Map<string, string[]>();
  const make = async (body: object, [owner = '', ...others]: readonly string[]): Promise<{ id: string; members: string[] }> => {
    const { id } = await call<{ id: string }>('POST', '/conversations', { ...body, memberIds: others }, owner);
    const members = [owner, ...others];
    conversations.set(id, members);
    history.write({ kind: 'conversation', conversation: id, members: [...members] });
    return { id, members };
  };
  const groups: ChurningGroup[] = [];
  const watching = new Map<string, Set<string>>();
  for (let i = 0; i < options.groups; i++) {
    const body = { kind: 'group', title: `Group ${i + 1}` };
    const { id, members } = await make(body, shuffled(random, users).slice(0, options.groupSize));
    if (i % 2 === 0) groups.push({ conversation: id, owner: members[0]!, members, former: [] });
    else for (const member of members) watch(watching, member, members);
  }
  for (let i = 0; i + 1 < users.length; i += 2) await make({ kind: 'direct' }, users.slice(i, i + 2));
  const busy = new Map(conversations);
  for (let i = 0; i < options.halls; i++) await make({ kind: 'group', title: `Hall ${i + 1}` }, shuffled(random, users));
  return { conversations, busy, groups, watching };
}

function watch(watching: Map<string, Set<string>>, member: string, members: readonly string[]): void {
  const watched = watching.get(member) ?? new Set();
  for (const other of members) if (other !== member) watched.add(other);
  watching.set(member, watched);
}

/** One to three devices for each user, each with a session of its own. */
export async function makeDevices(
  { demo, history }: LoadOptions,
  users: readonly string[],
  listeners: Pick<DeviceOptions, 'onState' | 'onAck'>,
): Promise<Device[]> {
  const call = patientPartner(demo);
  const devices: Device[] = [];
  for (const [i, userId] of users.entries()) {
    for (let number = 1; number <= DEVICES[i % DEVICES.length]!; number++) {
      const session = { userId, deviceId: `device-${number}` };
      const { accessToken } = await call<{ accessToken: string }>('POST', '/sessions', session);
      const name = `${userId}/${number}`;
      devices.push(new Device({ ...listeners, name, userId, wsUrl: demo.wsUrl, token: () => accessToken, history, random: Math.random }));
    }
  }
  return devices;
}
