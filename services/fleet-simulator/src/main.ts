import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { connectNats, readCredentials, roles } from '@outboard/bus';
import { isLabel } from '@outboard/contracts';
import { DIFFICULTY_OPTIONS, MAX_TABLE_ENTRIES, parseDifficulty } from '@outboard/dataplane';
import { integerOption, parsedOptions, runProgram, UsageError } from '@outboard/service-shell/process';
import { MIN_CHURN_FUNCTIONS } from './churn.js';
import { Fleet, MAX_DPUS, MAX_FUNCTIONS } from './fleet.js';
import { FleetClient } from './fleet-client.js';
import { MIX, type MixPart, runMix, type Tell } from './mix.js';
import { summaryLines } from './summary.js';

const MAX_SECONDS = 86_400;
const MAX_RATE = 1_000;

const USAGE = `usage: npm run outboard -- fleet --dpus COUNT [--mix PARTS] [--seconds SECONDS] [--rate RATE] [--rebooting COUNT]
           [--tenant NAME] [--first NUMBER] [--functions COUNT] [--latency LATENCY] [--table-entries COUNT]
           [--hardware TABLES] [--faults SHARES] [--nats URL] [--credentials DIRECTORY] [-o text|json]
  Runs the workers of so many simulated DPUs, sim-<number>, against running services, each with a connection of its own, and
  loads them: all start at once, then pods come and go and policies change while DPUs reboot some at a time. Ends with how long
  everything took; exits with 1 where something failed.
  --dpus         how many, 1 to ${MAX_DPUS}
  --mix          some of ${MIX.join(',')}, which is the default; none: only the workers run, until Ctrl-C
  --seconds      how long the load lasts, 1 to ${MAX_SECONDS}; default 60
  --rate         changes a second, 1 to ${MAX_RATE}; default a fifth of the DPUs, 2 to 50. One of five is of a policy
  --rebooting    DPUs that reboot at a time, 1 to the number of DPUs; default 1 of 100
  --tenant       whose the pods and policies are; default fleet
  --first        number of the first; default 1
  --functions    virtual functions of each, 1 to ${MAX_FUNCTIONS}, for pods and policies ${MIN_CHURN_FUNCTIONS} or more; default 16
  --latency      how long their switches take, milliseconds: 0.5 for each operation, or as in
                 call=2,operation=0.5,read=0.05,jitter=0.3,port=20 (libs/dataplane/README.md); default: no time
  --table-entries  flows that each table of a switch has room for, 1 to ${MAX_TABLE_ENTRIES}; default: any number
  --hardware     tables of hardware before it, by their numbers, with entries and, if not all, the fields that they look at:
                 0=64:in_port+tun_id,10=1000 (libs/dataplane/README.md); default: none, all is software
  --faults       how often operations on switches fail, and how often they only pretend: failing=0.05,lying=0.01
  --nats         default nats://127.0.0.1:4222
  --credentials  folder with worker-<dpu>.seed of each, and operator.seed for a load; absent: the broker asks for none
  -o, --output   text, or json: one object for each line; default text
Ctrl-C ends the load, and then all. With --mix none, commands on standard input: reboot COUNT; status.`;

/** Whole numbers of options that have a default which depends on the number of DPUs. */
const among = (least: number, value: number, most: number): number =>
  Math.max(least, Math.min(most, Math.floor(value)));

function mixOption(text: string): ReadonlySet<MixPart> {
  const named = text === 'none' ? [] : text.split(',');
  const unknown = named.filter((name) => !MIX.some((part) => part === name));
  if (unknown.length > 0)
    throw new UsageError(`--mix must be none or some of ${MIX.join(',')}, not ${unknown.join(',')}`);
  return new Set(named as MixPart[]);
}

/** What happens, a line each: JSON for programs, with the time for people. */
function teller(output: string): Tell {
  const started = performance.now();
  const json: Tell = (event, fields = {}) =>
    void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
  const text: Tell = (event, fields = {}) => {
    const seconds = ((performance.now() - started) / 1_000).toFixed(1).padStart(7);
    const told = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
    process.stdout.write(`${seconds} s  ${[event, ...told].join('  ')}\n`);
  };
  return output === 'json' ? json : text;
}

function settings() {
  const { values } = parseArgs({
    options: {
      dpus: { type: 'string', default: '' },
      mix: { type: 'string', default: MIX.join() },
      seconds: { type: 'string', default: '60' },
      rate: { type: 'string' },
      rebooting: { type: 'string' },
      tenant: { type: 'string', default: 'fleet' },
      first: { type: 'string', default: '1' },
      functions: { type: 'string', default: '16' },
      ...DIFFICULTY_OPTIONS,
      nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
      credentials: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'text' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const dpus = integerOption('dpus', values.dpus, 1, MAX_DPUS);
  const parts = mixOption(values.mix);
  const isChurned = parts.has('pods') || parts.has('policies');
  const { tenant, output, nats, credentials } = values;
  if (!isLabel(tenant)) throw new UsageError(`--tenant must be a label of RFC 1123, not ${tenant}`);
  if (output !== 'text' && output !== 'json')
    throw new UsageError(`--output must be text or json, not ${output}`);
  return {
    dpus,
    parts,
    tenant,
    output,
    nats,
    credentials,
    seconds: integerOption('seconds', values.seconds, 1, MAX_SECONDS),
    rate: integerOption('rate', values.rate ?? `${among(2, dpus / 5, 50)}`, 1, MAX_RATE),
    rebooting: integerOption('rebooting', values.rebooting ?? `${among(1, dpus / 100, dpus)}`, 1, dpus),
    first: integerOption('first', values.first, 1, MAX_DPUS + 1 - dpus),
    functions: integerOption(
      'functions',
      values.functions,
      isChurned ? MIN_CHURN_FUNCTIONS : 1,
      MAX_FUNCTIONS,
    ),
    switches: parsedOptions(parseDifficulty(values)),
  };
}

type Settings = NonNullable<ReturnType<typeof settings>>;

async function main(): Promise<number> {
  const asked = settings();
  if (asked === undefined) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const { nats, credentials, first, dpus, functions, switches, output } = asked;
  const tell = teller(output);
  const directory = mkdtempSync(join(tmpdir(), 'outboard-fleet-'));
  const quiet = { debug: () => {}, info: () => {} };
  const loud = (level: string) => (fields: object, message?: string) =>
    void process.stderr.write(`${JSON.stringify({ event: level, message, ...fields })}\n`);
  const fleet = new Fleet({
    servers: nats,
    directory,
    first,
    count: dpus,
    functions,
    ...switches,
    log: { ...quiet, warn: loud('warn'), error: loud('error') },
    ...(credentials !== undefined && { credentials }),
  });
  try {
    return await (asked.parts.size === 0 ? idle(fleet, asked, tell) : load(fleet, asked, tell));
  } finally {
    await fleet[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Loads the fleet, and tells how long everything took. */
async function load(fleet: Fleet, asked: Settings, tell: Tell): Promise<number> {
  const { nats, credentials, tenant, first, dpus, functions, output } = asked;
  const bus = await connectNats({
    servers: nats,
    name: 'fleet',
    ...(credentials !== undefined && (await readCredentials(credentials, roles.operator().name))),
  });
  const end = new AbortController();
  process.once('SIGINT', () => end.abort()).once('SIGTERM', () => end.abort());
  try {
    const client = await FleetClient.open(bus, { tenant, first, dpus, functions });
    try {
      const summary = await runMix(fleet, client, { ...asked, signal: end.signal }, tell);
      if (output === 'json') process.stdout.write(`${JSON.stringify({ event: 'summary', ...summary })}\n`);
      else process.stdout.write(`${summaryLines(summary).join('\n')}\n`);
      return summary.failures.length > 0 ? 1 : 0;
    } finally {
      await client[Symbol.asyncDispose]();
    }
  } finally {
    await bus[Symbol.asyncDispose]();
  }
}

/** The workers run, and do what they are told, until they are told to end. */
async function idle(fleet: Fleet, { dpus }: Settings, tell: Tell): Promise<number> {
  const every = Math.max(1, Math.floor(dpus / 10));
  await fleet.start((running) => {
    if (running % every === 0) tell('progress', { running, of: dpus });
  });
  tell('ready', { dpus });
  const lines = createInterface({ input: process.stdin });
  const end = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve).once('SIGTERM', resolve);
  });
  lines.on('line', (line) => {
    const [command, argument = ''] = line.trim().split(/\s+/);
    if (command === 'status') tell('status', { running: fleet.running, objects: fleet.objects });
    else if (command === 'reboot' && /^\d+$/.test(argument) && Number(argument) <= dpus) {
      void fleet.reboot(Number(argument)).then(() => tell('rebooted', { dpus: Number(argument) }));
    } else tell('refused', { message: `reboot COUNT (at most ${dpus}), status; not ${line}` });
  });
  await end;
  lines.close();
  return 0;
}

runProgram(USAGE, main);
