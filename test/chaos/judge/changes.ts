import type { HistoryRecord } from '../history.ts';
import type { Change } from './asked-changes.ts';
import type { Evidence, Judge } from './evidence.ts';

/** Edits, deletions, reactions, comings and goings: each is answered, and the log has what was acknowledged. */
export class ChangeJudge implements Judge {
  /** Acknowledged, by the name of the event. */
  readonly acknowledged: Record<string, number> = {};
  readonly #evidence: Evidence;
  /** Refused for good: judged at the end, by the log. */
  readonly #refusals: { change: Change; code: string; t: number; mayHaveBeenOut: boolean }[] = [];

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  take(record: HistoryRecord): void {
    const { asked } = this.#evidence;
    const { t } = record;
    if (record.kind === 'change') asked.ask(record);
    else if (record.kind === 'changed') {
      const change = asked.acknowledge(record.change, record.seq, t);
      if (change === undefined) {
        this.#evidence.object('phantom', `change ${record.change} was acknowledged, but never asked for`, t);
      } else this.acknowledged[change.event] = (this.acknowledged[change.event] ?? 0) + 1;
    } else if (record.kind === 'unchanged') {
      const change = asked.fail(record.change, record.forGood);
      if (change === undefined || !record.forGood) return;
      const mayHaveBeenOut = asked.mayHaveBeenOut(change.conversation, change.actor, change.t);
      this.#refusals.push({ change, code: record.code, t, mayHaveBeenOut });
    }
  }

  finish(): void {
    this.#checkChanges();
    this.#checkRefusals();
    this.#checkMemberChanges();
  }

  #checkChanges(): void {
    const object = this.#evidence.object.bind(this.#evidence);
    for (const change of this.#evidence.asked.all()) {
      this.#evidence.logs.get(change.conversation)?.checkChange(change, object);
      if (change.outcome === undefined) {
        object('unanswered', `${change.event} ${change.change} of ${change.actor} was never answered`, change.t);
      }
    }
  }

  #checkRefusals(): void {
    const { fellBack, logs } = this.#evidence;
    for (const { change, code, t, mayHaveBeenOut } of this.#refusals) {
      const { conversation, event, actor, target } = change;
      if (code === 'CHAT_ERR_NOT_MEMBER' && mayHaveBeenOut) continue;
      const gone = fellBack.has(conversation) || logs.get(conversation)?.entries.get(target ?? 0)?.deleted === true;
      if (code === 'CHAT_ERR_MESSAGE_NOT_FOUND' && gone) continue;
      this.#evidence.object('refused', `${event} ${change.change} of ${actor} was refused for good: ${code}`, t);
    }
  }

  #checkMemberChanges(): void {
    const { asked, members, logs } = this.#evidence;
    const acknowledged = [...asked.all()].filter(({ event, outcome }) => event.startsWith('member.') && outcome === 'acknowledged');
    for (const [conversation, changes] of Map.groupBy(acknowledged, (change) => change.conversation)) {
      for (const user of new Set(changes.flatMap(({ users = [] }) => users))) {
        const ofUser = changes.filter(({ users }) => users?.includes(user));
        const wasIn = members.get(conversation)?.includes(user) === true;
        logs.get(conversation)?.checkStates(user, wasIn, ofUser, this.#evidence.object.bind(this.#evidence));
      }
    }
  }
}
