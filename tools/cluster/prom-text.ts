/** The figures of one scrape, by metric name; series of one name that differ in labels stand beside each other. */
export type Scrape = Map<string, { labels: Record<string, string>; value: number }[]>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads the Prometheus text format. Lines of another shape are skipped. */
export function parsePromText(text: string): Scrape {
  const scrape: Scrape = new Map();
  for (const line of text.split('\n')) {
    const [, name, labelText = '', number] = LINE.exec(line) ?? [];
    if (name === undefined) continue;
    const labels = Object.fromEntries([...labelText.matchAll(LABEL)].map(([, label, value]) => [label as string, value as string]));
    const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
    const series = scrape.get(name);
    if (series === undefined) scrape.set(name, [{ labels, value }]);
    else series.push({ labels, value });
  }
  return scrape;
}

/** The sum of a metric over its series; 0 when it is not there. */
export function total(scrape: Scrape, name: string): number {
  return (scrape.get(name) ?? []).reduce((sum, { value }) => sum + value, 0);
}

/** The upper bound, in seconds, of the bucket that holds the quantile of what a histogram saw between two scrapes; undefined: nothing. */
export function quantileBetween(before: Scrape, after: Scrape, name: string, quantile: number): number | undefined {
  const counts = (scrape: Scrape) => {
    const byBound = new Map<number, number>();
    for (const { labels, value } of scrape.get(`${name}_bucket`) ?? []) {
      const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
      byBound.set(bound, (byBound.get(bound) ?? 0) + value);
    }
    return byBound;
  };
  const earlier = counts(before);
  const growth = [...counts(after)].map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)] as const).sort(([a], [b]) => a - b);
  const seen = growth.at(-1)?.[1] ?? 0;
  return seen <= 0 ? undefined : growth.find(([, count]) => count >= seen * quantile)?.[0];
}
