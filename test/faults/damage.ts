import { closeSync, mkdirSync, openSync, readdirSync, renameSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const PAGE = 4_096;

/** Bytes in the middle of nearly every page are not what was written. */
export function damage(file: string): void {
  const descriptor = openSync(file, 'r+');
  const garbage = Buffer.alloc(PAGE / 2, 0xa5);
  for (let at = 2 * PAGE; at < statSync(file).size; at += PAGE)
    writeSync(descriptor, garbage, 0, PAGE / 2, at);
  closeSync(descriptor);
}

/** What the instructions say: `mkdir damaged && mv <service>.sqlite* damaged/`. */
export function moveAway(file: string, to: string): void {
  const folder = dirname(file);
  mkdirSync(join(folder, to));
  for (const each of readdirSync(folder))
    if (each.startsWith(basename(file))) renameSync(join(folder, each), join(folder, to, each));
}
