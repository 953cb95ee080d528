import type fc from 'fast-check';
import { deliveryProperty } from './delivery.ts';

export const name = 'delivery while logs lose what nobody was promised';

/** Servers fail over: the newest unacknowledged events may be lost after they were heard, and the log gets another epoch. */
export function property(): fc.IAsyncProperty<unknown> {
  return deliveryProperty([]);
}
