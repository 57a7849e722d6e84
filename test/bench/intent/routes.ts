/**
 * The engine of the worker on the Linux driver: a document of 100,000 routes, from its hand-over until the report that
 * all of it was read back, against a C program that only installs the same routes; and one port attached meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invariant, systemClock } from '@outboard/core';
import { AF, address, link, NetlinkSocket, NetworkNamespace, setUp, upFlags } from '@outboard/netlink';
import { namespacePrefix, Testbed } from '@outboard/testbed';
import { PlainC } from '../plain-c.js';
import { interleave, note, quantile, report, timed } from '../report.js';
import { removeRoutersAtEnd } from '../routers.js';
import { sized } from '../sizes.js';
import { type Entry, NETWORK_ENTRIES, portEntry, portKey, routeEntries } from './document.js';
import { Worker } from './worker.js';

const BENCH = 'intent';
const COUNT = sized(100_000, 1_000);
const ROUNDS = sized(5, 1);
const FUNCTIONS = sized(256, 8);
/** Between two ports that are attached while the routes are installed: many attach at once nowhere. */
const ATTACH_EVERY_MILLISECONDS = 10;
const BRIDGE = 2;

const name = `bench${process.pid.toString(36)}`;

/** The C program in a namespace of its own, with a bridge that the gateway is on. */
async function yardstick(folder: string, namespace: NetworkNamespace): Promise<() => Promise<number>> {
  const socket = NetlinkSocket.open({ namespace });
  const must = async (messages: Parameters<typeof socket.batch>[0]): Promise<void> => {
    const { failures } = await socket.batch(messages);
    invariant(failures.length === 0, `the kernel refused: ${JSON.stringify(failures.slice(0, 3))}`);
  };
  const local = { ifaFamily: AF.INET, ifaPrefixlen: 24, ifaIndex: BRIDGE };
  await must([
    setUp(1),
    link.create({ ifname: 'br0', ifiIndex: BRIDGE, linkinfo: { kind: 'bridge' }, ...upFlags() }),
    address.create({ ...local, local: '10.0.0.1', address: '10.0.0.1' }),
  ]);
  // A device that goes down takes its routes along at once.
  const flush = (): Promise<void> => must([setUp(BRIDGE, false), setUp(BRIDGE)]);
  const c = PlainC.compile(folder, namespace);
  const batch = await c.bestBatch('routes', COUNT, BRIDGE, flush);
  return async () => {
    await flush();
    return c.run('routes', COUNT, batch, BRIDGE);
  };
}

/** Milliseconds from each port's hand-over to its report, one after the other as long as the condition holds. */
async function attachPorts(worker: Worker, goesOn: () => boolean): Promise<number[]> {
  const { documents } = worker;
  const milliseconds: number[] = [];
  for (let vfNumber = 0; vfNumber < FUNCTIONS && goesOn(); vfNumber++) {
    milliseconds.push(await timed(() => worker.apply(documents.change([portEntry(vfNumber)]), 'Port')));
    await systemClock.delay(ATTACH_EVERY_MILLISECONDS);
  }
  return milliseconds;
}

async function detachPorts(worker: Worker): Promise<void> {
  const keys = Array.from({ length: FUNCTIONS }, (_, vfNumber) => portKey(vfNumber));
  await worker.apply(worker.documents.change([], keys));
  await worker.engine.settled();
}

async function benchRoutes(
  worker: Worker,
  c: () => Promise<number>,
  routes: readonly Entry[],
): Promise<void> {
  const { documents, engine } = worker;
  const result = await interleave(ROUNDS, {
    worker: async () => {
      const update = documents.whole([...NETWORK_ENTRIES, ...routes]);
      const milliseconds = await timed(() => worker.apply(update));
      await worker.apply(documents.whole(NETWORK_ENTRIES));
      await engine.settled();
      return milliseconds;
    },
    c,
  });
  const ratio = result.c / result.worker;
  report({
    bench: BENCH,
    metric: `${COUNT / 1_000}k routes diffed, applied, read back, against C installing`,
    value: result.worker,
    unit: 'ms',
    baseline: result.c,
    ratio,
    bar: 'ratio >= 0.5',
    ok: ratio >= 0.5,
  });
}

async function benchAttach(worker: Worker, routes: readonly Entry[]): Promise<void> {
  const { documents, engine } = worker;
  const alone = await attachPorts(worker, () => true);
  await detachPorts(worker);
  const meanwhile: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    let running = true;
    const loaded = worker.apply(documents.whole([...NETWORK_ENTRIES, ...routes]), 'Router').then(() => {
      running = false;
    });
    meanwhile.push(...(await attachPorts(worker, () => running)));
    await loaded;
    await worker.apply(documents.whole(NETWORK_ENTRIES));
    await engine.settled();
  }
  note(`ports attached: ${alone.length} alone, ${meanwhile.length} while routes were installed`);
  for (const [metric, fraction] of [
    ['one port attached while that runs, p50 (against alone)', 0.5],
    ['one port attached while that runs, p99 (against alone)', 0.99],
  ] as const) {
    const value = quantile(meanwhile, fraction);
    const baseline = quantile(alone, fraction);
    report({
      bench: BENCH,
      metric,
      value,
      unit: 'ms',
      baseline,
      ratio: baseline / value,
      bar: null,
      ok: true,
    });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'outboard-bench-'));
removeRoutersAtEnd(name);
const testbed = await Testbed.create({
  name,
  dpus: [
    { name: 'dpu-1', serialNumber: 'OB-BENCH-1', pfMacAddress: '02:0b:00:00:01:00', functions: FUNCTIONS },
  ],
});
const namespace = NetworkNamespace.create(`${namespacePrefix(name)}plain-c`);
let worker: Worker | undefined;
try {
  const c = await yardstick(folder, namespace);
  worker = await Worker.start(name, testbed);
  await worker.apply(worker.documents.whole(NETWORK_ENTRIES));
  const routes = routeEntries(COUNT);
  await benchRoutes(worker, c, routes);
  await benchAttach(worker, routes);
} finally {
  await worker?.[Symbol.asyncDispose]();
  await testbed.dispose();
  rmSync(folder, { recursive: true });
}
