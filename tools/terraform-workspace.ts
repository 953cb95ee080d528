import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root, with a trailing slash. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** What a finished process left behind. `output` is stdout and stderr as they came. */
export interface Finished {
  code: number;
  stdout: string;
  output: string;
}

/** Runs a program to its end and never throws for its exit code; a program that cannot start is code 127. */
export function run(program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? root,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // The provider repeats a call that fails for a quarter of an hour; nothing here takes longer when it works.
      timeout: 30 * 60_000,
    });
    let stdout = '';
    let output = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => resolve({ code: 127, stdout, output: output + error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, output }));
  });
}

/** True where a missing tool is a failure and not a notice. */
export const strict = process.env['CI'] === 'true';

const platform = `${{ win32: 'windows' }[process.platform as string] ?? process.platform}_${{ x64: 'amd64' }[process.arch as string] ?? process.arch}`;

function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function holdsProvider(hashicorp: string): boolean {
  return subdirectories(join(hashicorp, 'aws')).some((version) => {
    const [major, minor] = version.split('.').map(Number);
    return major === 5 && (minor ?? 0) >= 100 && existsSync(join(hashicorp, 'aws', version, platform));
  });
}

/**
 * Finds a provider mirror on this machine's disk: a folder M with M/HOST/hashicorp/aws/VERSION/OS_ARCH below it, where VERSION
 * satisfies `~> 5.100`. Looks where Terraform itself looks first, then breadth first through the disk.
 */
export function findMirror(): string | undefined {
  const likely = [
    process.env['TF_PLUGIN_CACHE_DIR'],
    join(homedir(), '.terraform.d', 'plugins'),
    join(homedir(), '.terraform.d', 'plugin-cache'),
  ].filter((directory) => directory !== undefined);
  // `.terraform` is another project's working copy, and may be gone the next moment.
  const skip = new Set(['proc', 'sys', 'dev', 'run', 'node_modules', 'site-packages', '.git', '.terraform']);

  let level = [...likely, '/'];
  for (let depth = 0; depth < 8 && level.length > 0; depth++) {
    const next: string[] = [];
    for (const directory of level) {
      for (const name of subdirectories(directory)) {
        const path = join(directory, name);
        // directory is HOST here, and the mirror is what holds it.
        if (name === 'hashicorp' && holdsProvider(path)) return dirname(directory);
        if (!skip.has(name)) next.push(path);
      }
    }
    level = next;
  }
  return undefined;
}

/** A throw-away copy of `terraform/`, so that no run leaves a lock file or a state in the repository. */
export interface Workspace {
  /** Folder that holds `terraform/` and `test/terraform/mocks/`. */
  directory: string;
  env: NodeJS.ProcessEnv;
  terraform: (cwd: string, args: string[], env?: NodeJS.ProcessEnv) => Promise<Finished>;
  remove: () => void;
}

/** Makes the copy. With a mirror, Terraform installs from it alone and never asks the network. */
export function openWorkspace(mirror: string | undefined): Workspace {
  const directory = mkdtempSync(join(tmpdir(), 'connect-terraform-'));
  cpSync(join(root, 'terraform'), join(directory, 'terraform'), {
    recursive: true,
    filter: (source) => !/(\.terraform|\.terraform\.lock\.hcl|\.tfstate(\..*)?|\.tfvars)$/.test(source),
  });
  cpSync(join(root, 'test/terraform/mocks'), join(directory, 'test/terraform/mocks'), { recursive: true });

  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    // Nothing of the person who runs this: no account, no profile, no variables, no backend.
    if (!/^(AWS_|TF_)/.test(name)) env[name] = value;
  }
  Object.assign(env, {
    AWS_CONFIG_FILE: join(directory, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(directory, 'none'),
    AWS_EC2_METADATA_DISABLED: 'true',
    CHECKPOINT_DISABLE: '1',
    TF_IN_AUTOMATION: '1',
    TF_INPUT: '0',
    TF_CLI_CONFIG_FILE: join(directory, 'cli.tfrc'),
  });
  writeFileSync(
    join(directory, 'cli.tfrc'),
    mirror === undefined ? '' : `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`,
  );

  return {
    directory,
    env,
    terraform: (cwd, args, extra = {}) => run('terraform', args, { cwd, env: { ...env, ...extra } }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Says loudly that something is missing, and ends the process where that counts as a failure. */
export function missing(what: string, remedy: string): void {
  const rule = '!'.repeat(100);
  console.error(`\n${rule}\nNOT RUN: ${what}\n${remedy}\n${rule}\n`);
  if (strict) {
    console.log('0 passed, 1 failed');
    process.exit(1);
  }
}

/** Terraform's version, or undefined where there is none or it is older than the 1.11 that the modules ask for. */
export async function terraformVersion(): Promise<string | undefined> {
  const { code, stdout } = await run('terraform', ['version', '-json'], { env: { PATH: process.env['PATH'], CHECKPOINT_DISABLE: '1' } });
  if (code !== 0) return undefined;
  const { terraform_version: version } = JSON.parse(stdout) as { terraform_version: string };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 11) ? version : undefined;
}
