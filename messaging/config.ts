import Type, { type Static } from 'typebox';
import { commonVariables, integer } from '../shared/service/config.ts';

/** The messaging service's environment. `.env.example` is checked against it. */
export const MessagingConfig = Type.Object({
  ...commonVariables,
  MESSAGING_PORT: integer({
    default: 8081,
    minimum: 0,
    maximum: 65_535,
    description: 'Port of the internal HTTP/2 API; 0 picks a free one',
  }),
  MESSAGING_ADMIN_PORT: integer({
    default: 9081,
    minimum: 0,
    maximum: 65_535,
    description: 'Port of /metrics, /healthz and /readyz over HTTP/1.1; 0 picks a free one',
  }),
  MESSAGING_INFLIGHT: integer({
    default: 10_000,
    minimum: 200,
    maximum: 1_000_000,
    description: 'Commands carried out at once; over it callers are told to slow down',
  }),
  GROUP_MAX_MEMBERS: integer({ default: 5000, minimum: 2, maximum: 100_000, description: 'Members of one group' }),
  RECEIPT_MAX_MEMBERS: integer({
    default: 100,
    minimum: 0,
    maximum: 100_000,
    description: 'Receipts are announced live in conversations up to this size',
  }),
  FEED_DAYS: integer({ default: 7, minimum: 1, maximum: 365, description: 'Days for which the feed of events is kept' }),
});
export type MessagingConfig = Static<typeof MessagingConfig>;
