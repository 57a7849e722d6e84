import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { AppError } from '@outboard/core';
import { Fleet, MAX_DPUS, MAX_FUNCTIONS } from './fleet.js';

const USAGE = `usage: npm run outboard -- fleet --dpus COUNT [--first NUMBER] [--functions COUNT] [--nats URL] [--credentials DIRECTORY]
  Runs the workers of so many simulated DPUs, sim-<number>, against running services, each with a connection of its own.
  --dpus         how many, 1 to ${MAX_DPUS}
  --first        number of the first; default 1
  --functions    virtual functions of each, 1 to ${MAX_FUNCTIONS}; default 16
  --nats         default nats://127.0.0.1:4222
  --credentials  folder with worker-<dpu>.seed of each; absent: the broker asks for none
Commands on standard input: reboot COUNT; status. Ctrl-C ends it.`;

class UsageError extends Error {}

/** What the command line itself breaks, found here or by Node. */
const isUsage = (failure: unknown): failure is Error =>
  failure instanceof UsageError ||
  (failure instanceof Error && String((failure as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS'));

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new UsageError(`--${name} must be ${least}-${most}, not ${text}`);
  return value;
}

/** One JSON line for each thing that happens: for people and for programs. */
const say = (event: string, fields: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

async function main(): Promise<void> {
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
    return;
  }
  const count = integer('dpus', values.dpus, 1, MAX_DPUS);
  const first = integer('first', values.first, 1, MAX_DPUS + 1 - count);
  const functions = integer('functions', values.functions, 1, MAX_FUNCTIONS);
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

main().then(
  () => process.exit(0),
  (failure) => {
    if (isUsage(failure)) {
      process.stderr.write(`${failure.message}\n${USAGE}\n`);
      process.exit(2);
    }
    const error = AppError.from(failure);
    process.stderr.write(`outboard: ${error.code}: ${error.message}\n`);
    process.exit(1);
  },
);
