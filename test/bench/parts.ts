import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { note } from './report.js';

/**
 * Runs parts of a benchmark, each as a process of its own with its flags of V8: those that the command line names, or all.
 * Parts are the files of a folder with the benchmark's name. Ends the process with the first status that is not 0.
 */
export function runParts(bench: string, parts: Readonly<Record<string, readonly string[]>>): void {
  const given = process.argv.slice(2);
  const options = given.filter((argument) => argument.startsWith('--'));
  const named = given.filter((argument) => !argument.startsWith('--'));
  const unknown = named.filter((name) => parts[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(`no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}\n`);
    process.exit(1);
  }
  for (const name of named.length > 0 ? named : Object.keys(parts)) {
    note(`\n${name}`);
    const program = fileURLToPath(new URL(`./${bench}/${name}.js`, import.meta.url));
    const flags = parts[name] ?? [];
    const { status } = spawnSync(process.execPath, [...flags, program, ...options], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
}
