import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  DIFFICULTY_OPTIONS,
  MAX_TABLE_ENTRIES,
  parseDifficulty,
  type SwitchDifficulty,
} from '@outboard/dataplane';
import { integerOption, parsedOptions, runProgram } from '@outboard/service-shell/process';
import { lackingForAcceleration } from './acceleration.js';
import { Installation, type SimulatedDpu } from './installation.js';
import { tour } from './tour.js';

const USAGE = `usage: npm start -- --simulated [--once] [--dpus COUNT] [--latency LATENCY] [--table-entries COUNT]
       [--hardware TABLES] [--faults SHARES] [--as-built]
  Runs the services and the workers of simulated DPUs in one process, publishes the manifests of examples/two-tenants
  and examples/open-vswitch, and shows what came of them by frames that go through the simulated switches. Needs
  neither root nor Linux, and touches nothing of this machine.
  --once      prove it, and exit with 0 or 1
  --dpus      how many DPUs there are, 4 to 1000; default 4, which the manifests name
  --latency   how long switches take, milliseconds: 0.5 for each operation, or as in
              call=2,operation=0.5,read=0.05,jitter=0.3,port=20 (libs/dataplane/README.md); default: no time
  --table-entries  flows that each table of a switch has room for, 1 to ${MAX_TABLE_ENTRIES}; default: any number
  --hardware  tables of hardware before it, by their numbers, with entries and, if not all, the fields that they look at:
              0=64:in_port+tun_id,10=1000 (libs/dataplane/README.md); default: none, all is software
  --faults    how often operations on switches fail, and how often they only pretend: failing=0.05,lying=0.01
  --as-built  (of npm start) without set-up, as it was built last`;

const EXAMPLES = ['two-tenants', 'open-vswitch'].map((folder) =>
  fileURLToPath(new URL(`../../../examples/${folder}`, import.meta.url)),
);
const FUNCTIONS = 16;
const MIN_DPUS = 4;
const MAX_DPUS = 1_000;
/** Of the DPUs that host acceleration. */
const LONGEST_NAME = 'dpu-d';

/** The DPUs that the manifests in `examples/` name, and as many more as there are to be. */
const dpus = (count: number, switches: SwitchDifficulty, accelerates: boolean): SimulatedDpu[] =>
  Array.from({ length: count }, (_, index) => {
    const number = index + 1;
    const [high, low] = [number >> 8, number & 0xff];
    const octet = (value: number): string => value.toString(16).padStart(2, '0');
    return {
      name: index < 4 ? `dpu-${'abcd'[index]}` : `dpu-${number}`,
      serialNumber: `OB-SIM-${String(number).padStart(4, '0')}`,
      pfMacAddress: `02:0b:00:${octet(high)}:${octet(low)}:00`,
      functions: FUNCTIONS,
      underlayAddress: `10.255.${high}.${low}`,
      ipv6Address: `fd00:ff::${number.toString(16)}`,
      ...switches,
      acceleration: index < MIN_DPUS && accelerates,
    };
  });

const started = performance.now();
const say = (line: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${line}\n`);
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      dpus: { type: 'string', default: String(MIN_DPUS) },
      ...DIFFICULTY_OPTIONS,
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const count = integerOption('dpus', values.dpus, MIN_DPUS, MAX_DPUS);
  const switches = parsedOptions(parseDifficulty(values));
  const directory = mkdtempSync(join(tmpdir(), 'outboard-'));
  try {
    say('starting: the bus, the services and the workers of simulated DPUs, all in this process');
    const installation = await Installation.start({ directory });
    try {
      const lacking = await lackingForAcceleration(directory, LONGEST_NAME);
      for (const dpu of dpus(count, switches, lacking === undefined)) await installation.addDpu(dpu);
      say(`  ${count} DPUs with ${FUNCTIONS} functions each, driver sim`);
      await tour(installation, EXAMPLES, say, lacking);
      say('shown with simulated frames; `npm start` on Linux as root shows it with real packets');
      if (!values.once) {
        say('Ctrl-C ends it');
        await new Promise<void>((resolve) => {
          const alive = setInterval(() => {}, 60_000);
          const end = (): void => {
            clearInterval(alive);
            resolve();
          };
          process.once('SIGINT', end).once('SIGTERM', end);
        });
      }
      return 0;
    } finally {
      await installation[Symbol.asyncDispose]();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

runProgram(USAGE, main);
