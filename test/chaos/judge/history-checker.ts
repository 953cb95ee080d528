import type { Entry, HistoryRecord } from '../history.ts';
import { CalmJudge } from './calm.ts';
import { ChangeJudge } from './changes.ts';
import { Evidence, type Judge } from './evidence.ts';
import { PresenceJudge } from './presence.ts';
import type { Problem } from './problem.ts';
import { ProcessJudge } from './processes.ts';
import { SendJudge } from './sends.ts';
import { type Silence, SilenceJudge } from './silence.ts';
import { UnreadJudge } from './unread.ts';
import { ViewJudge } from './views.ts';

export interface Verdict {
  problems: Problem[];
  counts: {
    sent: number;
    acknowledged: number;
    /** Sends of members who were, or may have been, put out meanwhile. */
    refused: number;
    given: number;
    stored: number;
    resets: number;
    /** Acknowledged, by the name of the event. */
    changes: Record<string, number>;
    /** Pairs of a device and a user whose coming and going it wants to know. */
    watched: number;
    devices: number;
    conversations: number;
  };
  figures: {
    /** How often everything was looked at while nothing happened. */
    calms: number;
    longestSilence?: Silence;
    /** By process. */
    peakMiB: Record<string, number>;
  };
}

/** Reads a history in the order it happened and says what broke a promise. */
export class HistoryChecker {
  readonly #evidence = new Evidence();
  readonly #sends = new SendJudge(this.#evidence);
  readonly #changes = new ChangeJudge(this.#evidence);
  readonly #views = new ViewJudge(this.#evidence);
  readonly #calm = new CalmJudge(this.#evidence, this.#views);
  readonly #presence = new PresenceJudge(this.#evidence);
  readonly #silence = new SilenceJudge(this.#evidence);
  readonly #processes = new ProcessJudge(this.#evidence);
  readonly #judges: readonly Judge[] = [
    this.#sends,
    this.#changes,
    this.#views,
    this.#calm,
    this.#presence,
    this.#silence,
    new UnreadJudge(this.#evidence),
    this.#processes,
  ];
  #stored = 0;

  take(record: HistoryRecord): void {
    const { users, members, asked, states } = this.#evidence;
    switch (record.kind) {
      case 'device':
        users.set(record.device, record.user);
        break;
      case 'conversation':
        members.set(record.conversation, record.members);
        asked.begin(record.conversation, record.members);
        break;
      case 'state':
        states.set(record.device, { state: record.state, since: record.t });
        break;
      case 'log':
        this.#store(record);
        break;
      case 'logRead':
        Object.assign(this.#evidence.log(record.conversation), { head: record.head, epoch: record.epoch });
    }
    for (const judge of this.#judges) judge.take(record);
  }

  /** Sends that were acknowledged so far. */
  get acknowledged(): number {
    return this.#sends.acknowledged;
  }

  /** The end of the history. */
  finish(): Verdict {
    const { problems, sends, asked, logs, users, members } = this.#evidence;
    const object = this.#evidence.object.bind(this.#evidence);
    for (const log of logs.values()) log.check(asked, (id) => sends.get(id)?.text, object);
    for (const judge of this.#judges) judge.finish?.();
    this.#checkDevices();
    const { sent, acknowledged, refused } = this.#sends;
    const { given, resets } = this.#views;
    const { longest } = this.#silence;
    return {
      problems,
      counts: {
        ...{ sent, acknowledged, refused, given, stored: this.#stored, resets },
        changes: this.#changes.acknowledged,
        watched: this.#presence.watched,
        devices: users.size,
        conversations: members.size,
      },
      figures: {
        calms: this.#calm.calms,
        ...(longest === undefined ? {} : { longestSilence: longest }),
        peakMiB: this.#processes.peakMiB,
      },
    };
  }

  #store(entry: Entry): void {
    this.#stored++;
    const log = this.#evidence.log(entry.conversation);
    const { seq, conversation, id } = entry;
    if (log.entries.has(seq)) this.#evidence.object('doubled', `the log of ${conversation} has seq ${seq} twice`);
    log.entries.set(seq, entry);
    if (id !== undefined) {
      const place = log.places.get(id);
      if (place !== undefined) {
        this.#evidence.object('doubled', `message ${id} is stored twice in ${conversation}: as seq ${place} and as seq ${seq}`);
      }
      log.places.set(id, seq);
    }
    this.#evidence.requireAsked(entry, 'the log has');
  }

  #checkDevices(): void {
    for (const [device, user] of this.#evidence.users) {
      const state = this.#evidence.states.get(device)?.state;
      if (state === 'live') continue;
      this.#evidence.object('not-live', `${device} of ${user} was not live at the end, but ${state ?? 'never connected'}`);
    }
  }
}

/** Judges a whole history. */
export async function checkHistory(records: Iterable<HistoryRecord> | AsyncIterable<HistoryRecord>): Promise<Verdict> {
  const checker = new HistoryChecker();
  for await (const record of records) checker.take(record);
  return checker.finish();
}
