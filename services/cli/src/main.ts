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
// A connection that is still tried, or an answer that is still awaited, would keep the process.
if (interrupted.signal.aborted) process.exit(exitCode);
process.exitCode = exitCode;
