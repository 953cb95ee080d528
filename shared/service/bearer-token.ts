/**
 * The token of an `Authorization: Bearer` header (RFC 6750, section 2.1). Undefined when the header has any other form: another scheme, no
 * token, or more than one word after the scheme.
 */
export function bearerToken(authorization: string): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1];
}
