import { ChatError } from './errors.ts';
import type { Metadata } from './primitives.ts';

/** Largest message text, bytes of UTF-8. */
export const TEXT_BYTES = 8192;
/** Largest metadata, bytes of its JSON text in UTF-8. */
export const METADATA_BYTES = 4096;
/** Deepest nesting of objects and arrays in metadata; the object itself is level 1. */
export const METADATA_LEVELS = 8;

/** The text with lone surrogates replaced, since they have no UTF-8. Throws CHAT_ERR_TEXT_TOO_LONG over 8 KiB. */
export function checkText(text: string): string {
  if (text.length > TEXT_BYTES || (text.length * 3 > TEXT_BYTES && Buffer.byteLength(text) > TEXT_BYTES)) {
    throw new ChatError('CHAT_ERR_TEXT_TOO_LONG');
  }
  return text.toWellFormed();
}

/**
 * The metadata with lone surrogates replaced. Throws CHAT_ERR_BAD_METADATA over 4 KiB or 8 levels. Depth is measured without
 * recursion before anything walks the value, so that no nesting can exhaust a stack.
 */
export function checkMetadata(metadata: Metadata): Metadata {
  if (depthExceeds(metadata, METADATA_LEVELS)) throw new ChatError('CHAT_ERR_BAD_METADATA');
  const text = JSON.stringify(metadata);
  if (text.length > METADATA_BYTES || Buffer.byteLength(text) > METADATA_BYTES) throw new ChatError('CHAT_ERR_BAD_METADATA');
  // JSON.stringify writes only a lone surrogate as \ud…
  return text.includes('\\ud') ? (wellFormed(metadata) as Metadata) : metadata;
}

function depthExceeds(value: unknown, levels: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const below: unknown[] = [];
    let nested = false;
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      nested = true;
      for (const child of Object.values(item)) below.push(child);
    }
    if (nested && depth >= levels) return true;
    level = below;
  }
  return false;
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key.toWellFormed(), wellFormed(child)]));
}
