/**
 * A DPU with 1,000 ports that reboots, one that dies, and one that is drained: nats-server, admin, network-intent and two
 * workers as processes of their own, as `npm start` runs them.
 */
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { namespacePrefix, type Pod, waitReachable, waitUntil } from '@outboard/testbed';
import { DpuFleet } from '../../admin/dpu-fleet.js';
import { BareAttach } from '../intent/bare-attach.js';
import { median, note, report, timed } from '../report.js';
import { sized } from '../sizes.js';

const BENCH = 'admin';
/** As many as one worker tells of: the physical function is one of them. */
const PORTS = sized(1_000, 8);
const LEASE_MILLISECONDS = 3_000;
const DEATHS = sized(5, 1);
const AT_ONCE = 64;
const LONG_MILLISECONDS = 180_000;
const BIG = { name: 'dpu-1', serialNumber: 'OB-BENCH-1', pfMacAddress: '02:0b:00:00:01:00' };
const SMALL = { name: 'dpu-2', serialNumber: 'OB-BENCH-2', pfMacAddress: '02:0b:00:00:02:00' };
const WORKER = `dataplane-worker/${BIG.name}`;

const name = `life${process.pid.toString(36)}`;
const stack = await LocalStack.start({
  name,
  leaseMilliseconds: LEASE_MILLISECONDS,
  logLevel: 'warn',
  tenants: ['acme'],
  dpus: [
    { ...BIG, functions: PORTS - 1 },
    { ...SMALL, functions: 1 },
  ],
});
const fleet = await DpuFleet.open(stack);
try {
  const acme = await stack.workspace('acme');
  await fleet.untilState(BIG.name, 'READY');
  await acme.apply(
    { kind: 'Network', metadata: { name: 'blue' }, spec: {} },
    { kind: 'Subnet', metadata: { name: 'blue-v4' }, spec: { network: 'blue', cidr: '10.0.0.0/16' } },
  );
  await inGroups(portsOf(PORTS), (port) => acme.apply(port));
  await acme.apply(portOn(SMALL, 'probe', 0));
  await waitUntil('all ports are on the DPU', allAttached(PORTS), LONG_MILLISECONDS);
  await reboot(acme);
  await die();
  await drain(acme);
} finally {
  await fleet[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
}

function portOn(dpu: typeof BIG, port: string, vfNumber: number | undefined): Manifest {
  const { serialNumber, pfMacAddress } = dpu;
  const identity = { serialNumber, pfMacAddress, ...(vfNumber !== undefined && { vfNumber }) };
  return { kind: 'Port', metadata: { name: port }, spec: { network: 'blue', function: identity } };
}

/** The first is of the physical function. */
function portsOf(count: number): readonly Manifest[] {
  return Array.from({ length: count }, (_, number) =>
    portOn(BIG, `port-${number}`, number === 0 ? undefined : number - 1),
  );
}

async function inGroups<Item>(items: readonly Item[], run: (item: Item) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE) {
    await Promise.all(items.slice(from, from + AT_ONCE).map(run));
  }
}

function allAttached(count: number): () => Promise<string | undefined> {
  return async () => {
    const { size } = await stack.endpoints(BIG.name);
    return size === count ? undefined : `${size} are`;
  };
}

/** From the start of the worker on a new boot, whose kernel has nothing but functions, to packets and `READY`. */
async function reboot(acme: Workspace): Promise<void> {
  const probe = await acme.connectPod('probe');
  const pods: Pod[] = [];
  for (const number of [1, PORTS / 2, PORTS - 1]) pods.push(await acme.connectPod(`port-${number}`));
  const addresses = pods.map((pod) => pod.addresses.find((address) => !address.includes(':')) ?? '');
  for (const address of addresses) await waitReachable(probe, address);
  await stack.stack.kill(WORKER);
  await stack.testbed.rebootDpu(BIG.name);
  const former = fleet.dpu(BIG.name).status.incarnation;
  const ready = fleet.until(
    'the DPU has been provisioned again',
    () => {
      const { lifecycle, incarnation } = fleet.dpu(BIG.name).status;
      return lifecycle?.state === 'READY' && incarnation !== former;
    },
    LONG_MILLISECONDS,
  );
  const value = await timed(async () => {
    const packets = addresses.map((address) =>
      waitReachable(probe, address, { deadlineMilliseconds: LONG_MILLISECONDS }),
    );
    await Promise.all([stack.stack.restart(WORKER), ready, ...packets]);
  });
  const kernel = await bareKernel();
  const most = 3 * kernel + 1_000;
  report({
    bench: BENCH,
    metric: `reboot with ${PORTS} ports, against the kernel's part alone`,
    value,
    unit: 'ms',
    baseline: kernel,
    ratio: kernel / value,
    bar: `value <= 3 x baseline + 1 s = ${most.toFixed(0)} ms`,
    ok: value <= most,
  });
}

/** The same objects, written by hand one after the other. */
async function bareKernel(): Promise<number> {
  const bare = await BareAttach.open(`${namespacePrefix(name)}bare-`, PORTS);
  try {
    let sum = 0;
    for (let number = 0; number < PORTS; number++) sum += await bare.attach(number);
    return sum;
  } finally {
    bare[Symbol.dispose]();
  }
}

/** From the death of a worker to the state that says so. */
async function die(): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < DEATHS; round++) {
    times.push(
      await timed(async () => {
        await stack.stack.kill(WORKER);
        await fleet.untilState(BIG.name, 'UNREACHABLE');
      }),
    );
    await stack.stack.restart(WORKER);
    await fleet.untilState(BIG.name, 'READY');
  }
  const slowest = Math.max(...times);
  note(`dead DPU: median ${median(times).toFixed(0)} ms of ${DEATHS}`);
  report({
    bench: BENCH,
    metric: `dead DPU told, slowest of ${DEATHS}, against its lease`,
    value: slowest,
    unit: 'ms',
    baseline: LEASE_MILLISECONDS,
    ratio: LEASE_MILLISECONDS / slowest,
    bar: `value <= lease + 1 s = ${LEASE_MILLISECONDS + 1_000} ms`,
    ok: slowest <= LEASE_MILLISECONDS + 1_000,
  });
}

/** Its ports are deleted by their owner as fast as that is answered. */
async function drain(acme: Workspace): Promise<void> {
  let deleted = 0;
  const value = await timed(async () => {
    await fleet.want(BIG.name, { lifecycle: { desired: 'MAINTENANCE' } });
    deleted = await timed(() => inGroups(portsOf(PORTS), (port) => acme.delete('Port', port.metadata.name)));
    await fleet.untilState(BIG.name, 'MAINTENANCE', LONG_MILLISECONDS);
  });
  report({
    bench: BENCH,
    metric: `drain of ${PORTS} ports, against the answers to their deletion`,
    value,
    unit: 'ms',
    baseline: deleted,
    ratio: deleted / value,
    bar: null,
    ok: true,
  });
  const left = await timed(() => waitUntil('nothing is left on the DPU', allAttached(0), LONG_MILLISECONDS));
  note(`until nothing was left in the kernel: ${left.toFixed(0)} ms more`);
}
