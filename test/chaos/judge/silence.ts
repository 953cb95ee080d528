import type { HistoryRecord } from '../history.ts';
import type { Evidence, Judge } from './evidence.ts';

/** How long a device had to do without, ms. */
export interface Silence {
  device: string;
  ms: number;
  /** `away`: it was not live. `deaf`: it was live, and an acknowledged message took so long. */
  how: 'away' | 'deaf';
}

/** The longest silence of each client: time without a live connection, and time that an acknowledged message took to a live one. */
export class SilenceJudge implements Judge {
  readonly #evidence: Evidence;
  readonly #longest = new Map<string, Silence>();
  readonly #awaySince = new Map<string, number>();
  readonly #liveSince = new Map<string, number>();
  readonly #acknowledgedAt = new Map<string, number>();
  #boundMs: number | undefined;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  take(record: HistoryRecord): void {
    const { t } = record;
    if (record.kind === 'run') this.#boundMs = record.bounds?.silenceMs;
    else if (record.kind === 'ack') this.#acknowledgedAt.set(record.id, t);
    else if (record.kind === 'state') this.#state(record.device, record.state, t);
    else if (record.kind === 'given' && record.id !== undefined) this.#given(record.device, record.conversation, record.id, t);
  }

  /** Of all devices the worst. */
  get longest(): Silence | undefined {
    return [...this.#longest.values()].sort((a, b) => b.ms - a.ms)[0];
  }

  finish(): void {
    if (this.#boundMs === undefined) return;
    for (const { device, ms, how } of this.#longest.values()) {
      if (ms <= this.#boundMs) continue;
      const what = how === 'away' ? 'was not live for' : 'was live, but was given an acknowledged message only after';
      this.#evidence.object('silent', `${device} ${what} ${Math.round(ms)} ms; the bound is ${this.#boundMs} ms`);
    }
  }

  /** Who leaves by closing is not silent but gone. */
  #state(device: string, state: string, t: number): void {
    const since = this.#awaySince.get(device);
    if (state === 'live') {
      if (since !== undefined) this.#note({ device, ms: t - since, how: 'away' });
      this.#awaySince.delete(device);
      this.#liveSince.set(device, t);
    } else if (state === 'closed') this.#awaySince.delete(device);
    else if (since === undefined && this.#liveSince.has(device)) this.#awaySince.set(device, t);
  }

  /** Counted from the ack, or from when the device was live again, or its user let in. */
  #given(device: string, conversation: string, id: string, t: number): void {
    const acknowledgedAt = this.#acknowledgedAt.get(id);
    const liveSince = this.#liveSince.get(device);
    if (acknowledgedAt === undefined || liveSince === undefined || this.#awaySince.has(device)) return;
    const send = this.#evidence.sends.get(id);
    const { asked } = this.#evidence;
    if (send === undefined || asked.mayHaveBeenOut(conversation, this.#evidence.userOf(device), send.t)) return;
    this.#note({ device, ms: t - Math.max(acknowledgedAt, liveSince), how: 'deaf' });
  }

  #note(silence: Silence): void {
    if (silence.ms > (this.#longest.get(silence.device)?.ms ?? 0)) this.#longest.set(silence.device, silence);
  }
}
