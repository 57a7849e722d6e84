/**
 * Programming and reading the kernel: this library against plain C on a raw socket (compiled here, at its best batch
 * size) and against iproute2's batch mode, in one namespace, in turn, medians.
 * `npm run bench -- netlink [--json] [--quick]`.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { invariant } from '@outboard/core';
import {
  AF,
  address,
  link,
  type Message,
  NetlinkSocket,
  NetworkNamespace,
  NLM_F,
  NTF,
  NUD,
  neighbour,
  RTN,
  route,
  setUp,
  upFlags,
} from '@outboard/netlink';
import { namespacePrefix, Ownership } from '@outboard/testbed';
import { PlainC } from './plain-c.js';
import { interleave, report, timed } from './report.js';
import { sized } from './sizes.js';

const BENCH = 'netlink';
const COUNT = sized(100_000, 1_000);
const THOUSANDS = `${COUNT / 1_000}k`;
const ROUNDS = sized(7, 1);
const BRIDGE = 2;
const VXLAN = 3;
const MAX_OUTPUT_BYTES = 256 << 20;

/** What it leaves when it is killed is removed as what a testbed leaves. */
const ownership = Ownership.acquire(`nl${process.pid.toString(36)}`);
const folder = ownership.directory;
const namespace = NetworkNamespace.create(`${namespacePrefix(ownership.name)}bench`);
const socket = NetlinkSocket.open({ namespace });

async function buildDevices(): Promise<void> {
  await mustApply([
    setUp(1),
    link.create({ ifname: 'br0', ifiIndex: BRIDGE, linkinfo: { kind: 'bridge' }, ...upFlags() }),
    address.create({
      ifaFamily: AF.INET,
      ifaPrefixlen: 24,
      ifaIndex: BRIDGE,
      local: '10.0.0.1',
      address: '10.0.0.1',
    }),
    link.create({
      ifname: 'vx0',
      ifiIndex: VXLAN,
      linkinfo: { kind: 'vxlan', data: { id: 1, local: '10.0.0.1', port: 4789, learning: false } },
      ...upFlags(),
    }),
  ]);
}

async function mustApply(messages: Iterable<Message>): Promise<void> {
  const { failures } = await socket.batch(messages);
  invariant(failures.length === 0, `the kernel refused: ${JSON.stringify(failures.slice(0, 3))}`);
}

const inNamespace = (command: string, args: string[]): string =>
  namespace.run(() => execFileSync(command, args, { encoding: 'utf8', maxBuffer: MAX_OUTPUT_BYTES }));

const countRoutes = async (): Promise<number> =>
  (await socket.dump(route.dump({ rtmFamily: AF.INET, rtmProtocol: 200 }))).length;

const entryFilter = { ndmFamily: AF.BRIDGE, ndmIfindex: VXLAN } as const;
const countEntries = async (): Promise<number> =>
  (await socket.dump(neighbour.dump(entryFilter))).filter(({ dst }) => dst !== undefined).length;

/** Empties synchronously: a device that goes down takes its routes along at once. */
const flushRoutes = (): Promise<void> => mustApply([setUp(BRIDGE, false), setUp(BRIDGE)]);
const flushEntries = (): Promise<void> =>
  mustApply([neighbour.remove({ ...entryFilter, ndmFlags: NTF.SELF }, NLM_F.BULK)]);

/** A contender that starts from nothing, is timed, and must have installed everything. */
const installing =
  (measure: () => Promise<number> | number, flush: () => Promise<void>, count: () => Promise<number>) =>
  async (): Promise<number> => {
    await flush();
    const milliseconds = await measure();
    const installed = await count();
    invariant(installed === COUNT, `installed ${installed} of ${COUNT}`);
    return milliseconds;
  };

function* routeMessages(text: boolean): Iterable<Message> {
  for (let index = 0; index < COUNT; index++) {
    const destination = 0x0b000000 + index;
    yield route.replace({
      rtmFamily: AF.INET,
      rtmDstLen: 32,
      rtmTable: 254,
      rtmProtocol: 200,
      rtmType: RTN.UNICAST,
      dst: text ? ipText(destination) : destination,
      gateway: text ? '10.0.0.9' : 0x0a000009,
      oif: BRIDGE,
    });
  }
}

function* entryMessages(): Iterable<Message> {
  for (let index = 0; index < COUNT; index++) {
    yield neighbour.replace({
      ndmFamily: AF.BRIDGE,
      ndmIfindex: VXLAN,
      ndmState: NUD.PERMANENT,
      ndmFlags: NTF.SELF,
      lladdr: 0x0200_0000_0000 + index,
      dst: 0x0afe0002,
    });
  }
}

const ipText = (value: number): string =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;

const macText = (index: number): string =>
  `02:00:${(index >>> 24).toString(16)}:${((index >>> 16) & 255).toString(16)}:${((index >>> 8) & 255).toString(16)}:${(index & 255).toString(16)}`;

async function benchRoutes(c: PlainC): Promise<void> {
  const lines = join(folder, 'routes');
  writeFileSync(
    lines,
    Array.from(
      { length: COUNT },
      (_, index) => `route replace ${ipText(0x0b000000 + index)}/32 via 10.0.0.9 dev br0 proto 200\n`,
    ).join(''),
  );
  const batch = await c.bestBatch('routes', COUNT, BRIDGE, flushRoutes);
  const contend = (measure: () => Promise<number> | number) => installing(measure, flushRoutes, countRoutes);
  const result = await interleave(ROUNDS, {
    ours: contend(() => timed(() => mustApply(routeMessages(false)))),
    c: contend(() => c.run('routes', COUNT, batch, BRIDGE)),
    text: contend(() => timed(() => mustApply(routeMessages(true)))),
    tool: contend(() => timed(() => inNamespace('ip', ['-batch', lines]))),
  });
  compare(`${THOUSANDS} routes, against C`, result.ours, result.c, 0.9);
  compare(`${THOUSANDS} routes, against ip -batch`, result.ours, result.tool, 2);
  compare(`${THOUSANDS} routes with addresses as text, against C`, result.text, result.c, null);
}

async function benchEntries(c: PlainC): Promise<void> {
  const lines = join(folder, 'entries');
  writeFileSync(
    lines,
    Array.from(
      { length: COUNT },
      (_, index) => `fdb replace ${macText(index)} dev vx0 dst 10.254.0.2 self permanent\n`,
    ).join(''),
  );
  const batch = await c.bestBatch('fdb', COUNT, VXLAN, flushEntries);
  const contend = (measure: () => Promise<number> | number) =>
    installing(measure, flushEntries, countEntries);
  const result = await interleave(ROUNDS, {
    ours: contend(() => timed(() => mustApply(entryMessages()))),
    c: contend(() => c.run('fdb', COUNT, batch, VXLAN)),
    tool: contend(() => timed(() => inNamespace('bridge', ['-batch', lines]))),
  });
  compare(`${THOUSANDS} FDB entries, against C`, result.ours, result.c, 0.8);
  compare(`${THOUSANDS} FDB entries, against bridge -batch`, result.ours, result.tool, 2);
}

async function benchDump(): Promise<void> {
  await flushRoutes();
  await mustApply(routeMessages(false));
  const result = await interleave(ROUNDS, {
    ours: () => timed(countRoutes),
    tool: () =>
      timed(() => {
        const shown: unknown[] = JSON.parse(inNamespace('ip', ['-j', 'route', 'show', 'proto', '200']));
        invariant(shown.length === COUNT, `ip -j showed ${shown.length} of ${COUNT}`);
      }),
  });
  compare(
    `dump of ${THOUSANDS} routes to objects, against ip -j and JSON.parse`,
    result.ours,
    result.tool,
    2,
  );
}

function compare(metric: string, value: number, baseline: number, bar: number | null): void {
  const ratio = baseline / value;
  report({
    bench: BENCH,
    metric,
    value,
    unit: 'ms',
    baseline,
    ratio,
    bar: bar === null ? null : `ratio >= ${bar}`,
    ok: bar === null || ratio >= bar,
  });
}

try {
  const c = PlainC.compile(folder, namespace);
  await buildDevices();
  await benchRoutes(c);
  await benchDump();
  await benchEntries(c);
} finally {
  socket.close();
  namespace.close();
  ownership.release();
}
