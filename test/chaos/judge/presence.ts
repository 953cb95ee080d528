import type { HistoryRecord } from '../history.ts';
import type { Evidence, Judge } from './evidence.ts';

/** Whether those who watch somebody see them come and go: looked at in every calm and at the end. */
export class PresenceJudge implements Judge {
  readonly #evidence: Evidence;
  /** How each watched user looks to a device, by `device user`; undefined before the first word. */
  readonly #watched = new Map<string, boolean | undefined>();
  readonly #found = new Set<string>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  /** Pairs of a device and a user it watches. */
  get watched(): number {
    return this.#watched.size;
  }

  take(record: HistoryRecord): void {
    if (record.kind === 'watches') this.#watched.set(`${record.device} ${record.user}`, undefined);
    else if (record.kind === 'presence') this.#watched.set(`${record.device} ${record.user}`, record.online);
    else if (record.kind === 'calm') this.#check('in a calm', record.t - record.quietMs, record.t);
  }

  finish(): void {
    this.#check('at the end', Number.POSITIVE_INFINITY);
  }

  /** Only what has been so since `begin` counts. */
  #check(when: string, begin: number, t?: number): void {
    const { states, users } = this.#evidence;
    const live = new Set<string>();
    const unclear = new Set<string>();
    for (const [device, user] of users) {
      const standing = states.get(device);
      if (standing === undefined) continue;
      if (standing.since > begin) unclear.add(user);
      else if (standing.state === 'live') live.add(user);
      else if (standing.state !== 'closed') unclear.add(user);
    }
    for (const [pair, online] of this.#watched) {
      const [device = '', user = ''] = pair.split(' ');
      const watcher = states.get(device);
      if (t !== undefined && (watcher?.state !== 'live' || watcher.since > begin)) continue;
      if (live.has(user) && online !== true) {
        const seen = online === undefined ? 'was told nothing of' : 'sees offline';
        this.#object(`${pair} offline`, `${device} ${seen} ${user}, who is live ${when}`, t);
      } else if (!live.has(user) && !unclear.has(user) && online === true) {
        this.#object(`${pair} online`, `${device} sees online ${user}, whose devices have all left ${when}`, t);
      }
    }
  }

  #object(key: string, message: string, t?: number): void {
    if (this.#found.has(key)) return;
    this.#found.add(key);
    this.#evidence.object('presence', message, t);
  }
}
