import { readFileSync } from 'node:fs';

/**
 * Preloaded into a service by the tests (`node --import`): its wall clock is ahead of the machine's by as many ms as the file CLOCK_FILE says,
 * which is read again and again. The monotonic clock, and with it every timer, goes on as before: so it is when an operator or NTP
 * steps a clock.
 */
const LOOK_EVERY_MS = 20;

const file = process.env['CLOCK_FILE'];
const RealDate = Date;
let aheadMs = 0;

if (file !== undefined) {
  const look = (): void => {
    try {
      const text = readFileSync(file, 'utf8');
      if (text !== '') aheadMs = Number(text);
    } catch {
      // No step yet, or the file is gone with its owner.
    }
  };
  look();
  setInterval(look, LOOK_EVERY_MS).unref();
  const now = (): number => RealDate.now() + aheadMs;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
    apply: () => new RealDate(now()).toString(),
    get: (target, key, receiver) => (key === 'now' ? now : (Reflect.get(target, key, receiver) as unknown)),
  });
}
