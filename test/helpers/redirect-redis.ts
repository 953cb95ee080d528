import { Socket } from 'node:net';

/**
 * Preloaded into a gateway by the tests (`node --import`): its connections to Redis go through proxies that the test owns, by a table of ports in
 * REDIS_REDIRECT. The nodes of a cluster announce their own addresses, to everyone the same ones, so a detour of one process alone can
 * only begin inside that process; and the gateway itself should not know that it is tested.
 */
const table = JSON.parse(process.env['REDIS_REDIRECT'] ?? '{}') as Record<string, number>;

type Connect = (this: Socket, ...args: unknown[]) => Socket;
const prototype = Socket.prototype as unknown as { connect: Connect };
const { connect } = prototype;

prototype.connect = function (...args) {
  // net.connect hands its normalised arguments over as one array.
  const [first] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof first === 'object' && first !== null && 'port' in first) {
    const detour = table[String(first.port)];
    if (detour !== undefined) first.port = detour;
  }
  return connect.apply(this, args);
};
