/**
 * What a partner key may be allowed to do, and what that means. A session is a user signed in: whoever can make one for any user can do
 * all that any user can, so `sessions:write` includes the other scopes in effect.
 */
export const SCOPES = {
  'sessions:write': 'sign any user in, list and revoke sessions; a session may do all that its user may, whatever other scopes the key has',
  'conversations:read': 'read conversations and members on behalf of a user',
  'conversations:write': 'create and change conversations and members on behalf of a user',
  'messages:read': 'read messages, events and read state on behalf of a user',
  'messages:write': 'send, edit and delete messages, react, and mark as read on behalf of a user',
} as const;
export type Scope = keyof typeof SCOPES;
