import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { build } from '../helpers/gateway.ts';

const CONNECTIONS = 200;
/** About 5,000 measured, with what a process of both services keeps of a user; a request and its response would add 3,700. */
const HEAP_BYTES = 7000;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** In a thread of its own, so that the heap of the clients is not the heap that is measured. */
const CLIENTS = `
const { parentPort, workerData } = require('node:worker_threads');
const { WebSocket } = require(${JSON.stringify(new URL('../../node_modules/ws/index.js', import.meta.url).pathname)});
const sockets = workerData.tokens.map((token) => new WebSocket(workerData.url, 'connect.v1', { headers: { authorization: 'Bearer ' + token } }));
Promise.all(sockets.map((socket) => new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject)))).then(() => parentPort.postMessage('in'));
parentPort.once('message', () => process.exit(0));
`;

async function settledHeap(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('an idle connection keeps neither its request nor its response, and little heap', async (t) => {
  const gateway = await build(t);
  await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  const url = `ws://127.0.0.1:${(gateway.app.server.address() as AddressInfo).port}/ws`;
  const sessions = await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => gateway.signIn(`user-${i}`)));
  const tokens = sessions.map(({ accessToken }) => accessToken);
  const connect = async (some: readonly string[]) => {
    const worker = new Worker(CLIENTS, { eval: true, workerData: { url, tokens: some } });
    await once(worker, 'message');
    return worker;
  };

  // What the first connections make the process load and compile is no cost of a connection.
  const first = await connect(tokens.slice(0, 50));
  first.postMessage('go');
  await once(first, 'exit');
  while (gateway.app.hub.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));

  const before = await settledHeap();
  const clients = await connect(tokens);
  assert.equal(gateway.app.hub.connectionCount, CONNECTIONS);
  const bytes = ((await settledHeap()) - before) / CONNECTIONS;
  const http = queryObjects(IncomingMessage, { format: 'count' }) + queryObjects(ServerResponse, { format: 'count' });
  clients.postMessage('go');
  await once(clients, 'exit');

  assert.ok(http < CONNECTIONS / 4, `${http} HTTP objects live on beside ${CONNECTIONS} connections`);
  assert.ok(bytes < HEAP_BYTES, `${Math.round(bytes)} bytes of heap a connection`);
});
