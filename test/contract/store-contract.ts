import { describe } from 'node:test';
import type { Features, OpenEngine } from './kit.ts';
import { activationContract } from './store/activation.ts';
import { historyContract } from './store/history.ts';
import { keysContract } from './store/keys.ts';
import { logContract } from './store/log.ts';
import { membersContract } from './store/members.ts';
import { messagesContract } from './store/messages.ts';
import { onceDifferedContract } from './store/once-differed.ts';
import { reactionsContract } from './store/reactions.ts';
import { receiptsContract } from './store/receipts.ts';
import { sessionsContract } from './store/sessions.ts';
import { syncContract } from './store/sync.ts';
import { viewsContract } from './store/views.ts';

/** What every `Store` must do, whatever it keeps its data in. */
export function storeContract(name: string, open: OpenEngine, features: Features): void {
  describe(`store contract: ${name}`, () => {
    logContract(open, features);
    messagesContract(open);
    reactionsContract(open);
    membersContract(open);
    receiptsContract(open);
    activationContract(open);
    syncContract(open);
    historyContract(open);
    viewsContract(open);
    sessionsContract(open);
    keysContract(open, features);
    onceDifferedContract(open);
  });
}
