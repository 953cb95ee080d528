import { describe } from 'node:test';
import { activationStateContract } from './log/activation.ts';
import { commitContract } from './log/commits.ts';
import { cursorContract } from './log/cursors.ts';
import { feedContract } from './log/feed.ts';
import type { OpenLogEngine } from './log/kit.ts';
import { randomCommitContract } from './log/random.ts';
import { writeContract } from './log/writes.ts';

/** What every `ConversationLog` and `Feed` must do, whatever they keep their data in. */
export function conversationLogContract(name: string, open: OpenLogEngine): void {
  describe(`conversation log contract: ${name}`, () => {
    commitContract(open);
    writeContract(open);
    cursorContract(open);
    activationStateContract(open);
    feedContract(open);
    randomCommitContract(open);
  });
}
