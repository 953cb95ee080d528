import type { EntryKind } from '../conversation-log.ts';

/** What the column `kind` of a log row stands for. Everything above 0 counts as a message. */
export const KIND_NAMES: readonly EntryKind[] = ['event', 'message', 'tombstone'];

export const KIND_CODES: Readonly<Record<EntryKind, number>> = { event: 0, message: 1, tombstone: 2 };
