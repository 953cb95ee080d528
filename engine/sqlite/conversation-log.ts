import type { DatabaseSync } from 'node:sqlite';
import { ChatError } from '../../shared/errors.ts';
import type { ConversationId, Epoch } from '../../shared/primitives.ts';
import type { ActivationState, Commit, CommitOutcome, ConversationLog, Facts, Wanted } from '../conversation-log.ts';
import { readOrUnavailable } from './failures.ts';
import { FactReads } from './reads/facts.ts';
import type { Writer } from './writer.ts';

/** The log in one SQLite file: commits go to the write thread, many to a transaction; facts are read here, as they are committed. */
export class EmbeddedConversationLog implements ConversationLog {
  readonly #writer: Pick<Writer, 'change'>;
  readonly #facts: FactReads;

  constructor(writer: Pick<Writer, 'change'>, db: DatabaseSync) {
    this.#writer = writer;
    this.#facts = new FactReads(db);
  }

  async load(conversationId: ConversationId, wanted: Wanted): Promise<Facts | undefined> {
    return readOrUnavailable(() => this.#facts.facts(conversationId, wanted));
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    if (commits.length === 0) return [];
    try {
      return await this.#writer.change<CommitOutcome[]>({ job: 'commit', commits });
    } catch (error) {
      const body = ChatError.from(error, 'CHAT_ERR_INTERNAL').toBody();
      return commits.map(() => ({ status: 'failed', error: body }));
    }
  }

  replaceActivation(conversationId: ConversationId, epoch: Epoch, before: ActivationState, after: ActivationState): Promise<boolean> {
    return this.#writer.change({ job: 'replaceActivation', conversationId, epoch, before, after });
  }
}
