/** Plays DPUs on the bus, for fleets that are larger than a machine has memory for. Commands on standard input: status. */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { SimDriver, SimSwitch } from '@outboard/dataplane';
import { PlayedDpu } from './played-dpu.js';

const STARTING_AT_ONCE = 50;

const { values } = parseArgs({
  options: {
    first: { type: 'string', default: '1' },
    dpus: { type: 'string', default: '1' },
    functions: { type: 'string', default: '32' },
    nats: { type: 'string', default: '' },
  },
});
const [first, count, functions] = [values.first, values.dpus, values.functions].map(Number) as [
  number,
  number,
  number,
];

const tell = (event: string, fields: object): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

// What a simulated switch with a worker would tell of itself.
const vswitch = new SimSwitch({});
for (let index = 0; index < functions; index++) vswitch.plug(`pf0vf${index}`);
const driver = new SimDriver({ vswitch });
const hardware = {
  driver: driver.name,
  capabilities: driver.capabilities(),
  functions: await driver.functions(),
};

const counts = { deltas: 0, upserts: 0, deletes: 0, adopted: 0 };
const played: PlayedDpu[] = [];
const numbers = Array.from({ length: count }, (_, index) => first + index);
const startNext = async (): Promise<void> => {
  for (let next = numbers.shift(); next !== undefined; next = numbers.shift()) {
    played.push(await PlayedDpu.start(values.nats, next, hardware, counts));
    if (played.length % Math.max(1, Math.floor(count / 10)) === 0)
      tell('progress', { running: played.length, of: count });
  }
};
await Promise.all(Array.from({ length: STARTING_AT_ONCE }, startNext));
tell('ready', { dpus: count });

const lines = createInterface({ input: process.stdin });
lines.on('line', () => tell('status', { running: played.length, ...counts }));
await new Promise<void>((resolve) => {
  process.once('SIGINT', resolve).once('SIGTERM', resolve);
});
lines.close();
await Promise.all(played.map((dpu) => dpu[Symbol.asyncDispose]()));
