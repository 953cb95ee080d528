import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMF_INTERVAL_MS, type EmfReading, type Repeat, startEmf } from '../../../shared/service/metrics-emf.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

function build(namespace: string | undefined) {
  const lines: string[] = [];
  const clock = new ManualClock();
  let reading: EmfReading = {};
  let tick = (): void => {};
  let every = 0;
  let stopped = false;
  const repeat: Repeat = (callback, everyMs) => {
    tick = callback;
    every = everyMs;
    return { stop: () => (stopped = true) };
  };
  const emf = startEmf({ namespace, service: 'messaging', read: () => reading, write: (line) => lines.push(line), clock, repeat });
  return {
    lines,
    clock,
    emf,
    tick: () => tick(),
    every: () => every,
    stopped: () => stopped,
    report: (next: EmfReading) => (reading = next),
  };
}

test('a line a minute names the namespace, the service, each metric and its unit', () => {
  const { lines, clock, tick, every, report } = build('Chat');
  report({ gauges: { AckLatencyP99Ms: 12.5 }, counters: { MessagesSent: 40 } });
  tick();
  assert.equal(every(), EMF_INTERVAL_MS);
  assert.deepEqual(JSON.parse(lines[0] as string), {
    _aws: {
      Timestamp: clock.now(),
      CloudWatchMetrics: [
        {
          Namespace: 'Chat',
          Dimensions: [['Service']],
          Metrics: [
            { Name: 'AckLatencyP99Ms', Unit: 'Milliseconds' },
            { Name: 'MessagesSent', Unit: 'Count' },
          ],
        },
      ],
    },
    Service: 'messaging',
    AckLatencyP99Ms: 12.5,
    MessagesSent: 40,
  });
  assert.ok(!lines[0]?.includes('\n'));
});

test('counters are told as what was added since the line before, gauges as they are', () => {
  const { lines, tick, report } = build('Chat');
  report({ gauges: { ActiveConnections: 5 }, counters: { MessagesSent: 40 } });
  tick();
  report({ gauges: { ActiveConnections: 4 }, counters: { MessagesSent: 47 } });
  tick();
  const second = JSON.parse(lines[1] as string);
  assert.equal(second.ActiveConnections, 4);
  assert.equal(second.MessagesSent, 7);
});

test('a value that is no number is left out instead of spoiling the line', () => {
  const { lines, tick, report } = build('Chat');
  report({ gauges: { AckLatencyP99Ms: Number.NaN, ActiveConnections: 1 } });
  tick();
  const line = JSON.parse(lines[0] as string);
  assert.ok(!('AckLatencyP99Ms' in line));
  assert.deepEqual(line._aws.CloudWatchMetrics[0].Metrics, [{ Name: 'ActiveConnections', Unit: 'Count' }]);
});

test('stopping writes what the last line did not have', () => {
  const { lines, emf, stopped, report } = build('Chat');
  report({ counters: { StoreErrors: 3 } });
  emf.stop();
  assert.ok(stopped());
  assert.equal(JSON.parse(lines[0] as string).StoreErrors, 3);
});

test('without a namespace nothing is written', () => {
  const { lines, emf, tick, every } = build(undefined);
  tick();
  emf.stop();
  assert.equal(every(), 0);
  assert.deepEqual(lines, []);
});
