import type { ChatEvent, ServerFrameOf } from './wire.ts';

/** Frames that concern conversations. */
export type FeedFrame = ChatEvent | ServerFrameOf<'sync.page'> | ServerFrameOf<'sync.reset'> | ServerFrameOf<'conversation'>;

/** The fields delivery depends on have the types it depends on; the rest is the app's. */
export function isSound(frame: FeedFrame): boolean {
  if (typeof frame.conversationId !== 'string') return false;
  if (frame.type === 'conversation') return true;
  if (typeof frame.epoch !== 'string') return false;
  if (frame.type === 'event') return isWhole(frame.seq) && frame.seq > 0;
  if (!isWhole(frame.head)) return false;
  return frame.type === 'sync.reset' || (Array.isArray(frame.events) && frame.events.every((event) => isWhole(event?.seq)));
}

/** A whole number, not negative. */
export function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
