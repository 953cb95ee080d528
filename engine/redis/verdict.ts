import { NotReplicated, NotSent } from './pipelined-connection.ts';

/** What a failed call says about how to go on with it. */
export type Verdict =
  /** The server refused it. */
  | { kind: 'refused' }
  /** It was not carried out, whatever it is: send it again. */
  | { kind: 'again'; refresh?: boolean; load?: boolean; ask?: string; down?: boolean; pause?: boolean }
  /** Nobody knows whether it was carried out. */
  | { kind: 'unknown' };

export function judge(error: Error): Verdict {
  if (error instanceof NotReplicated) return { kind: 'refused' };
  if (error instanceof NotSent) return { kind: 'again', refresh: true, down: true, pause: true };
  if (error.name !== 'ReplyError') return { kind: 'unknown' };
  const [code, , address] = error.message.split(' ');
  switch (code) {
    case 'MOVED':
    case 'READONLY':
      return { kind: 'again', refresh: true, pause: true };
    case 'CLUSTERDOWN':
    case 'MASTERDOWN':
    case 'LOADING':
      return { kind: 'again', refresh: true, down: true, pause: true };
    case 'TRYAGAIN':
      return { kind: 'again', pause: true };
    case 'ASK':
      return address === undefined ? { kind: 'refused' } : { kind: 'again', ask: address };
    // Another call of the same transaction was refused, so this one was not begun.
    case 'EXECABORT':
      return { kind: 'again' };
    default:
      return error.message.includes('Function not found') ? { kind: 'again', load: true } : { kind: 'refused' };
  }
}
