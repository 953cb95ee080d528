import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { EmfReader, quantile } from '../../../gateway/aws/emf-reader.ts';
import { RealtimeMetrics } from '../../../gateway/realtime/metrics.ts';

test('reads the figures of the gateway, and the ack latency of the time since', async () => {
  const registry = new Registry();
  const metrics = new RealtimeMetrics(registry);
  const reader = new EmfReader(registry);
  metrics.connections.set(3);
  metrics.eventsDelivered.inc(10);
  metrics.gapRepairs.inc(2);
  metrics.slowConsumers.inc();
  metrics.rejectedUpgrades.inc(4);
  for (let i = 0; i < 100; i++) metrics.ackSeconds.observe(0.4);
  const { gauges, counters } = await reader.read();
  assert.deepEqual(counters, { EventsDelivered: 10, GapRepairs: 2, SlowConsumersClosed: 1, RejectedUpgrades: 4 });
  assert.deepEqual([gauges?.ActiveConnections, gauges?.MessagingQueueDepth], [3, 0]);
  assert.ok(gauges!.AckLatencyP99Ms! > 250 && gauges!.AckLatencyP99Ms! <= 500);
  for (let i = 0; i < 100; i++) metrics.ackSeconds.observe(0.002);
  assert.ok((await reader.read()).gauges!.AckLatencyP99Ms! <= 2.5);
  assert.equal((await reader.read()).gauges!.AckLatencyP99Ms, undefined);
});

test('finds a quantile within its bucket', () => {
  const buckets: [number, number][] = [
    [1, 50],
    [2, 100],
    [Number.POSITIVE_INFINITY, 100],
  ];
  assert.equal(quantile(buckets, 0.5), 1);
  assert.equal(quantile(buckets, 0.75), 1.5);
  assert.equal(
    quantile(
      [
        [1, 0],
        [Number.POSITIVE_INFINITY, 10],
      ],
      0.99,
    ),
    1,
  );
  assert.equal(quantile([], 0.99), undefined);
});
