/**
 * Preloaded into every server that is measured, ours and peers alike: answers the benchmark over IPC, and does nothing by itself.
 * Needs --expose-gc for `gc`.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { writeHeapSnapshot } from 'node:v8';

interface Request {
  bench: 'gc' | 'profile-start' | 'profile-stop' | 'snapshot';
  id: number;
  file?: string;
}

let session: Session | undefined;

async function answer({ bench, file = '' }: Request): Promise<unknown> {
  switch (bench) {
    case 'gc': {
      // What V8 does before it runs out of memory: collects all there is and gives emptied pages back. A plain collection keeps as much room
      // as the garbage of the ramp had taken, which says nothing of a connection and differs from run to run by several KiB for each.
      const gc = (globalThis as { gc?: (options: object) => void }).gc;
      for (let i = 0; i < 3; i++) {
        gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
        await new Promise((resolve) => setImmediate(resolve));
      }
      return process.memoryUsage();
    }
    case 'profile-start':
      session = new Session();
      session.connect();
      await session.post('Profiler.enable');
      // Finer sampling of four processes on two cores makes calls time out.
      await session.post('Profiler.setSamplingInterval', { interval: 1000 });
      await session.post('Profiler.start');
      return undefined;
    case 'profile-stop': {
      if (session === undefined) throw new Error('no profile was started');
      const { profile } = await session.post('Profiler.stop');
      session.disconnect();
      writeFileSync(file, JSON.stringify(profile));
      return undefined;
    }
    case 'snapshot':
      return writeHeapSnapshot(file);
  }
}

process.on('message', (message: Request) => {
  if (typeof message?.bench !== 'string') return;
  void answer(message).then((result) => process.send?.({ benchAnswer: message.id, result }));
});
// The benchmark is gone: so is its server.
process.on('disconnect', () => process.exit(0));
