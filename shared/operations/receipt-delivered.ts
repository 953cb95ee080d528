import { Seq } from '../primitives.ts';
import { IN_CONVERSATION, operation } from './operation.ts';

export const receiptDelivered = operation('receipt.delivered', {
  summary: 'Say that everything up to a seq reached this device',
  input: { seq: Seq },
  events: [],
  told: 'receipt',
  errors: [...IN_CONVERSATION, 'CHAT_ERR_NOT_DURABLE'],
  // Cursors never move back.
  retry: 'forward',
  frame: { description: 'Everything up to seq reached this device.' },
  example: { seq: 42 },
});
