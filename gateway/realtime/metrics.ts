import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type TopicMetrics = Pick<RealtimeMetrics, 'gapRepairs' | 'eventsDelivered' | 'deliveryViolations'>;

/** Figures of the WebSocket side, in the gateway's own registry. */
export class RealtimeMetrics {
  readonly connections: Gauge;
  readonly topics: Gauge;
  readonly users: Gauge;
  readonly framesReceived: Counter<'type'>;
  readonly frameErrors: Counter<'code'>;
  readonly eventsDelivered: Counter;
  readonly gapRepairs: Counter;
  readonly deliveryViolations: Counter;
  readonly slowConsumers: Counter;
  readonly rejectedUpgrades: Counter;
  readonly activations: Counter;
  readonly ackSeconds: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.connections = new Gauge({ name: 'chat_connections', help: 'Open WebSocket connections', registers });
    this.topics = new Gauge({ name: 'chat_topics', help: 'Conversations followed', registers });
    this.users = new Gauge({ name: 'chat_connected_users', help: 'Users with a connection on this gateway', registers });
    this.framesReceived = new Counter({ name: 'chat_frames_received_total', help: 'Client frames', labelNames: ['type'], registers });
    this.frameErrors = new Counter({
      name: 'chat_frame_errors_total',
      help: 'Frames answered with an error',
      labelNames: ['code'],
      registers,
    });
    this.eventsDelivered = new Counter({ name: 'chat_events_delivered_total', help: 'Log events handed to send buffers', registers });
    this.gapRepairs = new Counter({ name: 'chat_gap_repairs_total', help: 'Times a topic was filled from the log', registers });
    this.deliveryViolations = new Counter({
      name: 'chat_delivery_violations_total',
      help: 'Connections closed because they would have gone live with a hole; anything but 0 is a bug',
      registers,
    });
    this.slowConsumers = new Counter({ name: 'chat_slow_consumers_total', help: 'Connections closed for reading too slowly', registers });
    this.rejectedUpgrades = new Counter({ name: 'chat_rejected_upgrades_total', help: 'Upgrades refused', registers });
    this.activations = new Counter({
      name: 'chat_activations_total',
      help: 'Conversations followed because they became active',
      registers,
    });
    this.ackSeconds = new Histogram({
      name: 'chat_ack_seconds',
      help: 'From a message.send frame to its ok',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
  }
}
