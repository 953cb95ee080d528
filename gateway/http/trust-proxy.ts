import { BlockList, isIP } from 'node:net';
import { ConfigError, splitList } from '../../shared/service/config.ts';

const NAMED = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** TRUST_PROXY as Fastify takes it: who may say, in X-Forwarded-For, where a request came from. Throws `ConfigError`. */
export function parseTrustProxy(value: string): boolean | string[] | ((address: string, hop: number) => boolean) {
  if (value === 'true' || value === 'false') return value === 'true';
  if (/^\d{1,2}$/.test(value)) return (_address, hop) => hop < Number(value);
  const networks = splitList(value);
  if (networks.length > 0 && networks.every(isNetwork)) return networks;
  throw new ConfigError(
    `TRUST_PROXY is ${JSON.stringify(value)}, but must be false, true, a number of hops, or a list of addresses and networks (10.0.0.0/8, loopback)`,
  );
}

function isNetwork(text: string): boolean {
  if (NAMED.has(text)) return true;
  const [address = '', prefix, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  if (prefix === undefined) return true;
  if (!/^\d{1,3}$/.test(prefix)) return false;
  try {
    new BlockList().addSubnet(address, Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
    return true;
  } catch {
    return false;
  }
}
