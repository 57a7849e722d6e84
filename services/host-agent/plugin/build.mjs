#!/usr/bin/env node
// Makes the CNI plugin: `build.mjs [--output FILE] [--without-compiler]`. Statically linked where that can be done, so
// that it runs on any host; without a C compiler it is the one for Node.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    output: { type: 'string', default: join(import.meta.dirname, '../dist/plugin/outboard') },
    'without-compiler': { type: 'boolean', default: false },
  },
});
const { output } = values;
mkdirSync(dirname(output), { recursive: true });
rmSync(output, { force: true });

const source = join(import.meta.dirname, 'outboard.c');
const compilers = values['without-compiler'] ? [] : ['musl-gcc', 'gcc', 'cc'];
const flags = ['-O2', '-s', '-Wall', '-Wextra', '-Werror', '-o', output, source];
const built = compilers
  .flatMap((compiler) => [
    { compiler, arguments: ['-static', ...flags] },
    { compiler, arguments: flags },
  ])
  .find((attempt) => spawnSync(attempt.compiler, attempt.arguments, { stdio: 'ignore' }).status === 0);
if (built === undefined) {
  copyFileSync(join(import.meta.dirname, 'outboard.mjs'), output);
  chmodSync(output, 0o755);
}
process.stdout.write(`${output}: ${built?.compiler ?? 'Node'}\n`);
