// npm run test:terraform: format, init, validate and mocked tests of every Terraform folder. Needs no account and no network.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findMirror, missing, openWorkspace, root, run, terraformVersion } from './terraform-workspace.ts';

let passed = 0;
let failed = 0;

function report(ok: boolean, name: string, detail = ''): void {
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name}${!ok && detail ? `\n${detail.trimEnd()}` : ''}`);
}

function finish(): never {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

const folders = ['modules', 'environments']
  .flatMap((parent) => readdirSync(join(root, 'terraform', parent)).map((name) => `${parent}/${name}`))
  .concat('stack', 'bootstrap')
  .filter((folder) => readdirSync(join(root, 'terraform', folder)).some((file) => file.endsWith('.tf')));

const text = await run(process.execPath, ['--test', '--test-reporter=tap', 'test/terraform/*.test.ts']);
const textPassed = Number(/^# pass (\d+)$/m.exec(text.output)?.[1] ?? 0);
const textFailed = Number(/^# fail (\d+)$/m.exec(text.output)?.[1] ?? 1);
passed += textPassed;
failed += textFailed;
console.log(`${textFailed === 0 && textPassed > 0 ? 'ok    ' : 'FAILED'} rules of the files: ${textPassed} passed, ${textFailed} failed`);
if (textFailed > 0) console.log(text.output);

const version = await terraformVersion();
if (version === undefined) {
  missing(
    'terraform 1.11 or newer is not on the PATH; formatting, validation and the mocked tests did not run.',
    'Install it from https://developer.hashicorp.com/terraform/install and run this again.',
  );
  finish();
}

const format = await run('terraform', ['fmt', '-check', '-recursive', '-diff', 'terraform', 'test/terraform'], {
  env: { PATH: process.env['PATH'], CHECKPOINT_DISABLE: '1' },
});
report(format.code === 0, 'terraform fmt -check', format.output);

const mirror = findMirror();
const workspace = openWorkspace(mirror);
try {
  const first = join(workspace.directory, 'terraform/modules/cluster');
  const probe = await workspace.terraform(first, ['init', '-backend=false', '-no-color']);
  if (probe.code !== 0) {
    workspace.remove();
    missing(
      `the hashicorp/aws provider (~> 5.100) is neither on this machine's disk nor to be had from its registry; ${folders.length} folders were not validated or tested.`,
      `Run "terraform -chdir=terraform/stack providers mirror DIRECTORY" where there is a network and bring DIRECTORY here.\n${probe.output}`,
    );
  } else {
    console.log(`terraform ${version}, ${mirror === undefined ? 'provider from its registry' : 'provider from a mirror on this disk'}`);
    const queue = [...folders];
    const work = async (): Promise<void> => {
      for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) await testFolder(folder);
    };
    await Promise.all([work(), work()]);
  }
} finally {
  workspace.remove();
}
finish();

async function testFolder(folder: string): Promise<void> {
  const cwd = join(workspace.directory, 'terraform', folder);
  const init = await workspace.terraform(cwd, ['init', '-backend=false', '-no-color']);
  if (init.code !== 0) return report(false, `${folder}: init`, init.output);

  const validate = await workspace.terraform(cwd, ['validate', '-no-color']);
  report(validate.code === 0, `${folder}: validate`, validate.output);
  if (validate.code !== 0) return;

  if (!existsSync(join(cwd, 'tests'))) return report(false, `${folder}: has no tests`);
  const tests = await workspace.terraform(cwd, ['test', '-no-color']);
  const summary = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/.exec(tests.output);
  const good = Number(summary?.[1] ?? 0);
  const bad = Number(summary?.[2] ?? 1) + Number(summary?.[3] ?? 0);
  passed += good;
  failed += bad;
  const ok = tests.code === 0 && good > 0 && bad === 0;
  if (!ok && bad === 0) failed++;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${folder}: ${good} tests passed, ${bad} failed`);
  if (!ok) console.log(tests.output);
}
