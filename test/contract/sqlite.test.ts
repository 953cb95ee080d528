import type { TestContext } from 'node:test';
import { openEmbedded } from '../helpers/engine.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { busContract } from './bus-contract.ts';
import { conversationLogContract } from './conversation-log-contract.ts';
import type { ContractEngine } from './kit.ts';
import type { LogEngine } from './log/kit.ts';
import { storeContract } from './store-contract.ts';

async function open(t: TestContext): Promise<ContractEngine> {
  const clock = new ManualClock();
  const { log, store, bus, close, dataDir } = await openEmbedded(t, { clock });
  return {
    log,
    store,
    bus,
    clock,
    reopen: async () => {
      await close();
      return openEmbedded(t, { clock, dataDir });
    },
    another: () => Promise.reject(new Error('one process at a time')),
  };
}

async function openLog(t: TestContext): Promise<LogEngine> {
  const clock = new ManualClock();
  return { ...(await openEmbedded(t, { clock })), clock };
}

conversationLogContract('embedded', openLog);
storeContract('embedded', open, { shared: false });
busContract('embedded', open, { shared: false });
