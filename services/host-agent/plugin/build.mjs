#!/usr/bin/env node
// Makes the CNI plugin: `build.mjs [--output FILE] [--socket PATH] [--without-compiler]`. Statically linked where that can be done, so
// that it runs on any host; without a C compiler it is the one for Node.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const DEFAULT_SOCKET = '/run/outboard/cni.sock';

const { values } = parseArgs({
  options: {
    output: { type: 'string', default: join(import.meta.dirname, '../dist/plugin/outboard') },
    // Where it looks for the agent unless OUTBOARD_CNI_SOCKET says so.
    socket: { type: 'string', default: DEFAULT_SOCKET },
    'without-compiler': { type: 'boolean', default: false },
  },
});
const { output, socket } = values;
mkdirSync(dirname(output), { recursive: true });
rmSync(output, { force: true });

const source = join(import.meta.dirname, 'outboard.c');
const compilers = values['without-compiler'] ? [] : ['musl-gcc', 'gcc', 'cc'];
const flags = [
  '-O2',
  '-s',
  '-Wall',
  '-Wextra',
  '-Werror',
  `-DDEFAULT_SOCKET="${socket}"`,
  '-o',
  output,
  source,
];
const built = compilers
  .flatMap((compiler) => [
    { compiler, arguments: ['-static', ...flags] },
    { compiler, arguments: flags },
  ])
  .find((attempt) => spawnSync(attempt.compiler, attempt.arguments, { stdio: 'ignore' }).status === 0);
if (built === undefined) {
  const text = readFileSync(join(import.meta.dirname, 'outboard.mjs'), 'utf8');
  writeFileSync(output, text.replace(DEFAULT_SOCKET, socket), { mode: 0o755 });
}
process.stdout.write(`${output}: ${built?.compiler ?? 'Node'}\n`);
