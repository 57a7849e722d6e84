/** What a worker with 1,000 ports takes: memory, processor time when nothing happens, and time to adopt after a restart. */
import { systemClock } from '@outboard/core';
import { LocalStack, type Manifest } from '@outboard/local-stack';
import { note, teller, timed } from '../report.js';
import { sized } from '../sizes.js';

const PORTS = sized(1_000, 8);
const TENANT = 'acme';
const DPU = {
  name: 'dpu-1',
  serialNumber: 'OB-BENCH-1',
  pfMacAddress: '02:0b:00:00:01:00',
  // A worker tells of at most 1,000 functions: these and the physical one.
  functions: PORTS - 1,
};
const WORKER = `dataplane-worker/${DPU.name}`;
const READY_MILLISECONDS = 120_000;
/** What attaching has left to do (documents to disk, the inventory) is done by then. */
const SETTLE_MILLISECONDS = sized(20_000, 1_000);
/** One periodic comparison of everything comes in it (DEFAULT_RESYNC_MILLISECONDS), and every other timer several times. */
const IDLE_MILLISECONDS = sized(60_000, 1_000);
const RESTARTS = sized(3, 1);
const MEBIBYTE = 2 ** 20;

/** The first is on the physical function, the others on the virtual ones. */
const portNumber = (number: number): Manifest => ({
  kind: 'Port',
  metadata: { name: `port-${number}` },
  spec: {
    network: 'blue',
    function: {
      serialNumber: DPU.serialNumber,
      pfMacAddress: DPU.pfMacAddress,
      ...(number > 0 && { vfNumber: number - 1 }),
    },
  },
});

const tell = teller('intent');

const stack = await LocalStack.start({
  name: `foot${process.pid.toString(36)}`,
  dpus: [DPU],
  tenants: [TENANT],
});
try {
  const workspace = await stack.workspace(TENANT);
  await workspace.apply(
    { kind: 'Network', metadata: { name: 'blue' }, spec: {} },
    { kind: 'Subnet', metadata: { name: 'blue-v4' }, spec: { network: 'blue', cidr: '10.0.0.0/16' } },
  );
  const numbers = Array.from({ length: PORTS }, (_, number) => number);
  await Promise.all(numbers.map((number) => workspace.apply(portNumber(number))));
  for (const number of numbers) await workspace.ready(`port-${number}`, 1, READY_MILLISECONDS);

  const worker = stack.stack.program(WORKER);
  await systemClock.delay(SETTLE_MILLISECONDS);
  const { cpuMilliseconds: before } = worker.usage();
  note(`${PORTS} ports are ready; the worker is watched for ${IDLE_MILLISECONDS / 1_000} s`);
  await systemClock.delay(IDLE_MILLISECONDS);
  const { cpuMilliseconds, residentBytes } = worker.usage();
  tell(`worker with ${PORTS} ports: resident`, residentBytes / MEBIBYTE, 'MiB', 128);
  const share = (100 * (cpuMilliseconds - before)) / IDLE_MILLISECONDS;
  tell(`worker with ${PORTS} ports: processor when idle, of one core`, share, '%', 1);
  const restarts: number[] = [];
  const processor: number[] = [];
  for (let restart = 0; restart < RESTARTS; restart++) {
    await worker.kill();
    // `ready` says that everything in the kernel is adopted.
    restarts.push(await timed(() => worker.start()));
    processor.push(worker.usage().cpuMilliseconds);
  }
  tell(
    `worker with ${PORTS} ports: killed, started, adopted (worst of ${RESTARTS})`,
    Math.max(...restarts),
    'ms',
    2_000,
  );
  tell(
    `worker with ${PORTS} ports: processor time of that (least of ${RESTARTS})`,
    Math.min(...processor),
    'ms',
    2_000,
  );
  tell(
    `worker with ${PORTS} ports: resident after adoption`,
    worker.usage().residentBytes / MEBIBYTE,
    'MiB',
    128,
  );
} finally {
  await stack[Symbol.asyncDispose]();
}
