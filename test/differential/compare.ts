/** The first place at which two values differ, as a path of names, with what is there. */
export interface Mismatch {
  path: string[];
  expected: unknown;
  found: unknown;
}

/** Compares plain values. A property that is undefined counts as absent. */
export function firstMismatch(expected: unknown, found: unknown, path: string[] = []): Mismatch | undefined {
  if (Object.is(expected, found)) return undefined;
  if (!isObject(expected) || !isObject(found) || Array.isArray(expected) !== Array.isArray(found)) return { path, expected, found };
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    const mismatch = firstMismatch(expected[name], found[name], [...path, name]);
    if (mismatch !== undefined) return mismatch;
  }
  return undefined;
}

/** What stands at a path. */
export function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((part, name) => (isObject(part) ? part[name] : undefined), value);
}

/**
 * Each engine makes up its own epochs, and ids for the events that no request named. Epochs become numbers in the order in which a
 * subject showed them, so that two subjects agree if one renaming makes them equal.
 */
export class Names {
  readonly #issued: ReadonlySet<string>;
  readonly #epochs = new Map<string, string>();

  /** @param issued the ids that requests gave; the set may grow. */
  constructor(issued: ReadonlySet<string>) {
    this.#issued = issued;
  }

  /** A value with every made-up name replaced. */
  plain(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.plain(item));
    if (!isObject(value)) return value;
    const isEvent = value['type'] === 'event';
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => {
        if (name === 'epoch' && typeof part === 'string') return [name, this.#nameOf(part)];
        if (isEvent && name === 'id' && !this.#issued.has(String(part))) return [name, 'made by the store'];
        return [name, this.plain(part)];
      }),
    );
  }

  /** The epoch that this subject has under a name; a word that is no epoch when it has none. */
  epochOf(name: string): string {
    for (const [epoch, own] of this.#epochs) if (own === name) return epoch;
    return 'another';
  }

  #nameOf(epoch: string): string {
    let name = this.#epochs.get(epoch);
    if (name === undefined) {
      name = `epoch ${this.#epochs.size + 1}`;
      this.#epochs.set(epoch, name);
    }
    return name;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
