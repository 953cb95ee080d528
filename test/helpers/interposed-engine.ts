import type { Bus, PresenceLeases } from '../../engine/bus.ts';
import type { ConversationLog } from '../../engine/conversation-log.ts';
import type { Engine } from '../../engine/engine.ts';
import type { Store } from '../../engine/store.ts';

/** Methods that stand in for those of the engine; what is not named stays as it is. */
export interface Interposed {
  log?: (log: ConversationLog) => Partial<ConversationLog>;
  store?: (store: Store) => Partial<Store>;
  bus?: (bus: Bus) => Partial<Omit<Bus, 'presence'>>;
  presence?: (presence: PresenceLeases) => Partial<PresenceLeases>;
}

/** An engine of which a test holds some methods in its own hands. */
export function interposed(engine: Engine, change: Interposed): Engine {
  const presence = instead(engine.bus.presence, change.presence?.(engine.bus.presence) ?? {});
  return {
    kind: engine.kind,
    log: instead(engine.log, change.log?.(engine.log) ?? {}),
    feed: engine.feed,
    store: instead(engine.store, change.store?.(engine.store) ?? {}),
    bus: instead(engine.bus, { ...change.bus?.(engine.bus), presence }),
    close: () => engine.close(),
  };
}

function instead<T extends object>(target: T, changes: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name);
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
