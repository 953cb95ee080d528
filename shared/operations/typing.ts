import Type from 'typebox';
import { IN_CONVERSATION, operation } from './operation.ts';

export const typing = operation('typing', {
  summary: 'Say that one started or stopped typing',
  input: { active: Type.Boolean() },
  events: [],
  told: 'typing',
  errors: [...IN_CONVERSATION],
  retry: 'reversible',
  frame: { description: 'Started or stopped typing. Repeat every 5 s while it lasts.' },
  example: { active: true },
});
