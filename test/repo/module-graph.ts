import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** One import, export-from, dynamic import or import type of a source file. */
export interface Import {
  /** Path from the root of the tree. */
  file: string;
  /** For a file of the tree its path from the root, else the specifier as it is written. */
  target: string;
  /** Gone when the types are erased. */
  typeOnly: boolean;
}

const FOLDERS = ['gateway', 'messaging', 'engine', 'shared', 'client', 'bin', 'tools', 'bench', 'examples', 'test'] as const;
export type Folder = (typeof FOLDERS)[number];

/** Declarations start a line, as Biome formats them. */
const DECLARATION = /^(?:import|export)\s+(?<type>type\s+)?[^;'"`]*?\bfrom\s+['"](?<from>[^'"]+)['"]|^import\s+['"](?<effect>[^'"]+)['"]/gm;
/** Such an import may stand anywhere. It counts as one at run time, unless `typeof` is before it. */
const EXPRESSION = /(?<type>\btypeof\s+)?\bimport\(\s*['"](?<from>[^'"]+)['"]\s*\)/g;

/** What a source text imports, in the order of the text: declarations first, then expressions. */
export function importsIn(file: string, text: string): Import[] {
  return [...text.matchAll(DECLARATION), ...text.matchAll(EXPRESSION)].map(({ groups = {} }) => {
    const target = (groups['from'] ?? groups['effect']) as string;
    return {
      file,
      target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
      typeOnly: groups['type'] !== undefined,
    };
  });
}

/** Every source file of the tree, with what it imports. */
export function readImports(root: string): Map<string, Import[]> {
  const files = globSync(`{${FOLDERS.join(',')}}/**/*.{ts,cjs}`, {
    cwd: root,
    exclude: (name) => name === 'node_modules' || name === 'dist',
  });
  const paths = files.map((file) => file.replaceAll('\\', '/')).sort();
  return new Map(paths.map((file) => [file, importsIn(file, readFileSync(join(root, file), 'utf8'))]));
}

export function folderOf(file: string): string {
  return file.split('/', 1)[0] as string;
}

/**
 * The import circles of a graph: Tarjan's strongly connected components of more than one file, or of a file that imports itself. Each is
 * told as one shortest way round, for a reader who has to break it.
 */
export function circles(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const targets = new Map([...graph].map(([file, imports]) => [file, imports.map(({ target }) => target).filter((one) => graph.has(one))]));
  return components(targets)
    .filter((files) => files.length > 1 || targets.get(files[0] as string)?.includes(files[0] as string))
    .map((files) => {
      const way = shortestWayRound(files[0] as string, new Set(files), targets);
      return files.length === way.length - 1 ? way.join(' → ') : `${way.join(' → ')} (one of ${files.length} files that import each other)`;
    });
}

/** Tarjan, SIAM Journal on Computing 1 (1972). */
function components(targets: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();

  function visit(file: string): number {
    const number = index.size;
    index.set(file, number);
    let least = number;
    stack.push(file);
    onStack.add(file);
    for (const target of targets.get(file) ?? []) {
      if (!index.has(target)) least = Math.min(least, visit(target));
      else if (onStack.has(target)) least = Math.min(least, index.get(target) as number);
    }
    if (least === number) {
      const component = stack.splice(stack.indexOf(file));
      for (const one of component) onStack.delete(one);
      found.push(component);
    }
    return least;
  }

  for (const file of targets.keys()) if (!index.has(file)) visit(file);
  return found;
}

/** From a file over files of its component back to itself; the file stands at both ends. */
function shortestWayRound(start: string, component: ReadonlySet<string>, targets: ReadonlyMap<string, readonly string[]>): string[] {
  const ways: string[][] = [[start]];
  const seen = new Set<string>();
  for (const way of ways) {
    for (const target of targets.get(way.at(-1) as string) ?? []) {
      if (target === start) return [...way, start];
      if (!component.has(target) || seen.has(target)) continue;
      seen.add(target);
      ways.push([...way, target]);
    }
  }
  return [start];
}
