#!/usr/bin/env node
// Makes the fast path of the data path (fast-path.c). Without a C compiler there is none, and everything goes the general way.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const output = join(import.meta.dirname, '../dist/native/fast-path.so');
mkdirSync(dirname(output), { recursive: true });
rmSync(output, { force: true });
const flags = ['-std=gnu11', '-O2', '-s', '-fPIC', '-shared', '-Wall', '-Wextra', '-Werror', '-o', output];
const compiler = ['gcc', 'cc'].find(
  (each) =>
    spawnSync(each, [...flags, join(import.meta.dirname, 'fast-path.c'), '-ldl'], { stdio: 'inherit' })
      .status === 0,
);
process.stdout.write(compiler === undefined ? 'fast path: no C compiler, none is made\n' : `${output}\n`);
