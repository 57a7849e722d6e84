import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { integerOption, runProgram } from '@outboard/service-shell/process';
import { Fleet, MAX_DPUS, MAX_FUNCTIONS } from './fleet.js';

const USAGE = `usage: npm run outboard -- fleet --dpus COUNT [--first NUMBER] [--functions COUNT] [--nats URL] [--credentials DIRECTORY]
  Runs the workers of so many simulated DPUs, sim-<number>, against running services, each with a connection of its own.
  --dpus         how many, 1 to ${MAX_DPUS}
  --first        number of the first; default 1
  --functions    virtual functions of each, 1 to ${MAX_FUNCTIONS}; default 16
  --nats         default nats://127.0.0.1:4222
  --credentials  folder with worker-<dpu>.seed of each; absent: the broker asks for none
Commands on standard input: reboot COUNT; status. Ctrl-C ends it.`;

/** One JSON line for each thing that happens: for people and for programs. */
const say = (event: string, fields: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      dpus: { type: 'string', default: '' },
      first: { type: 'string', default: '1' },
      functions: { type: 'string', default: '16' },
      nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
      credentials: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const count = integerOption('dpus', values.dpus, 1, MAX_DPUS);
  const first = integerOption('first', values.first, 1, MAX_DPUS + 1 - count);
  const functions = integerOption('functions', values.functions, 1, MAX_FUNCTIONS);
  const directory = mkdtempSync(join(tmpdir(), 'outboard-fleet-'));
  const quiet = { debug: () => {}, info: () => {} };
  const loud = (level: string) => (fields: object, message?: string) => say(level, { message, ...fields });
  const fleet = new Fleet({
    servers: values.nats,
    directory,
    first,
    count,
    functions,
    log: { ...quiet, warn: loud('warn'), error: loud('error') },
    ...(values.credentials !== undefined && { credentials: values.credentials }),
  });
  const every = Math.max(1, Math.floor(count / 10));
  const progress = (running: number): void => {
    if (running % every === 0) say('progress', { running, of: count });
  };
  try {
    await fleet.start(progress);
    say('ready', { dpus: count });
    await commands(fleet, count);
    return 0;
  } finally {
    await fleet[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Until it is told to end. */
async function commands(fleet: Fleet, count: number): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  const end = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve).once('SIGTERM', resolve);
  });
  lines.on('line', (line) => {
    const [command, argument = ''] = line.trim().split(/\s+/);
    if (command === 'status') say('status', { running: fleet.running, objects: fleet.objects });
    else if (command === 'reboot' && /^\d+$/.test(argument) && Number(argument) <= count) {
      void fleet.reboot(Number(argument)).then(() => say('rebooted', { dpus: Number(argument) }));
    } else say('refused', { message: `reboot COUNT (at most ${count}), status; not ${line}` });
  });
  await end;
  lines.close();
}

runProgram(USAGE, main);
