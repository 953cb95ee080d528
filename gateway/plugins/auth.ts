import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Value } from 'typebox/value';
import type { Engine } from '../../engine/engine.ts';
import { ChatError } from '../../shared/errors.ts';
import { UserId } from '../../shared/primitives.ts';
import type { Scope } from '../../shared/scopes.ts';
import { bearerToken } from '../../shared/service/bearer-token.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { ConfigError } from '../../shared/service/config.ts';
import { AccessTokens } from '../auth/access-tokens.ts';
import { OidcIssuer } from '../auth/oidc-issuer.ts';
import { PARTNER_KEY_PREFIX, PartnerKeys } from '../auth/partner-keys.ts';
import type { Principal } from '../auth/principal.ts';
import { Sessions } from '../auth/sessions.ts';
import { SigningKeys } from '../auth/signing-keys.ts';
import type { GatewayConfig } from '../config.ts';

/** Everything that decides who somebody is; routes and the WebSocket upgrade share it. */
export interface Auth {
  readonly signingKeys: SigningKeys;
  readonly accessTokens: AccessTokens;
  readonly partnerKeys: PartnerKeys;
  readonly sessions: Sessions;
  readonly oidc: OidcIssuer | undefined;
  /** Finds out who makes a request and leaves it in `request.principal`, or why that failed in `request.authError`. Never throws. */
  identify(request: FastifyRequest): Promise<void>;
  /** The caller, who must be a signed-in user, or a partner with this scope. Throws `ChatError`. */
  principalOf(request: FastifyRequest, scope: Scope): Principal;
  /** The user the request acts for: the caller, or whom the partner names in X-On-Behalf-Of. Throws `ChatError`. */
  actorOf(request: FastifyRequest, scope: Scope): UserId;
}

interface AuthOptions {
  config: GatewayConfig;
  engine: Engine;
  clock: Clock;
}

const DAY_MS = 86_400_000;
export const ON_BEHALF_OF = 'x-on-behalf-of';

async function auth(app: FastifyInstance, { config, engine, clock }: AuthOptions): Promise<void> {
  const { store, bus } = engine;
  const signingKeys = await SigningKeys.open({ store, clock, log: app.log, configured: config.JWT_SIGNING_KEYS });
  app.addHook('onClose', async () => signingKeys.close());
  const accessTokens = new AccessTokens({
    keys: signingKeys,
    sessions: store,
    clock,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    lifeSeconds: config.JWT_ACCESS_SECONDS,
  });
  const partnerKeys = new PartnerKeys(store, clock);
  const sessions = new Sessions({
    store,
    bus,
    clock,
    accessTokens,
    lifeMs: config.SESSION_DAYS * DAY_MS,
    graceMs: config.SESSION_REFRESH_GRACE_MS,
    log: app.log,
  });

  async function principalFrom(request: FastifyRequest): Promise<Principal | null> {
    const credentials = bearerOf(request.headers.authorization);
    if (credentials === undefined) return null;
    const onBehalfOf = request.headers[ON_BEHALF_OF];
    if (!credentials.startsWith(PARTNER_KEY_PREFIX)) {
      const claims = await accessTokens.authenticate(credentials);
      if (onBehalfOf !== undefined && onBehalfOf !== claims.userId) {
        throw new ChatError('CHAT_ERR_FORBIDDEN', 'Only a partner key may act on behalf of another user');
      }
      return { kind: 'user', ...claims };
    }
    const key = await partnerKeys.authenticate(credentials);
    const scopes = key.scopes as Scope[];
    if (onBehalfOf === undefined) return { kind: 'partner', keyId: key.id, scopes };
    if (!Value.Check(UserId, onBehalfOf)) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'header X-On-Behalf-Of is not a user id');
    return { kind: 'partner', keyId: key.id, scopes, onBehalfOf };
  }

  function principalOf(request: FastifyRequest, scope: Scope): Principal {
    if (request.authError !== null) throw request.authError;
    const principal = request.principal;
    if (principal === null)
      throw new ChatError('CHAT_ERR_UNAUTHORIZED', 'Send Authorization: Bearer with an access token or a partner key');
    if (principal.kind === 'partner' && !principal.scopes.includes(scope)) {
      throw new ChatError('CHAT_ERR_FORBIDDEN', `This key lacks the scope ${scope}`);
    }
    return principal;
  }

  app.decorateRequest('principal', null);
  app.decorateRequest('authError', null);
  app.decorateRequest('actorId', '');
  app.decorate('auth', {
    signingKeys,
    accessTokens,
    partnerKeys,
    sessions,
    oidc: oidcFrom(config, clock),
    async identify(request) {
      try {
        request.principal = await principalFrom(request);
      } catch (error) {
        request.authError = ChatError.from(error);
      }
    },
    principalOf,
    actorOf(request, scope) {
      const principal = principalOf(request, scope);
      if (principal.kind === 'user') return principal.userId;
      if (principal.onBehalfOf !== undefined) return principal.onBehalfOf;
      throw new ChatError('CHAT_ERR_BAD_REQUEST', 'A partner key needs the header X-On-Behalf-Of with the user it acts for');
    },
  } satisfies Auth);
}

export default fp(auth, { name: 'auth', fastify: '5.x', dependencies: ['errors'] });

function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const credentials = bearerToken(header);
  if (credentials === undefined) throw new ChatError('CHAT_ERR_UNAUTHORIZED', 'Authorization must be Bearer, one blank, and a token');
  return credentials;
}

function oidcFrom(config: GatewayConfig, clock: Clock): OidcIssuer | undefined {
  if (config.OIDC_ISSUER === undefined) return undefined;
  if (config.OIDC_AUDIENCE === undefined) throw new ConfigError('OIDC_AUDIENCE is not set, but OIDC_ISSUER needs it');
  return new OidcIssuer({ issuer: config.OIDC_ISSUER, audience: config.OIDC_AUDIENCE, userClaim: config.OIDC_USER_CLAIM, clock });
}

declare module 'fastify' {
  interface FastifyInstance {
    auth: Auth;
  }
  interface FastifyRequest {
    /** Who makes the request; null for nobody. */
    principal: Principal | null;
    /** Why the credentials that were sent are no good. */
    authError: ChatError | null;
    /** The user the request acts for; set on routes that act for a user. */
    actorId: UserId;
  }
}
