import type { MessagingApi } from '../messaging-client/messaging-api.ts';

/** What routes that reach the chat logic are given. */
export interface ChatRouteOptions {
  messaging: MessagingApi;
}
