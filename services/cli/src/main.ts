#!/usr/bin/env node
import { systemClock } from '@outboard/core';
import { EXIT } from './exit.js';
import { runOutboard } from './run.js';
import { processTerminal } from './terminal.js';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Who asks twice does not want to wait for what runs.
    if (interrupted.signal.aborted) process.exit(EXIT.interrupted);
    interrupted.abort();
  });
}

const exitCode = await runOutboard(process.argv.slice(2), {
  terminal: processTerminal(interrupted.signal),
  environment: process.env,
  directory: process.cwd(),
  clock: systemClock,
  signal: interrupted.signal,
  connect: async (settings) => (await import('./connect.js')).connect(settings),
});
const written = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => void stream.write('', () => resolve()));

// What was left to itself would keep the process, such as the socket to a server that has never said a word.
await Promise.all([written(process.stdout), written(process.stderr)]);
process.exit(exitCode);
