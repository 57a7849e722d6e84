/** The guest's only program: two DPUs with the unmodified driver, and packets between their pods. Prints a line for each check. */
import { isDeepStrictEqual } from 'node:util';
import { systemClock, systemRandom } from '@outboard/core';
import {
  createEngine,
  type DataplaneEngine,
  type DocumentReport,
  LinuxDriver,
  type LinuxSpec,
} from '@outboard/dataplane';
import { AF, address, link, NetlinkSocket, NetworkNamespace, upFlags } from '@outboard/netlink';
import {
  type Endpoint,
  FrameCapture,
  type Pod,
  ping,
  Testbed,
  tcpConnect,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import type { Check, CheckReport } from './checks.js';
import { documentOf, type GuestPort, MTU, PORTS, type Tenant, VLAN_ID, VNI } from './documents.js';

const DPUS = ['dpu-1', 'dpu-2'] as const;
const GENEVE_PORT = 6081;
const DEVICE = '10.0.1.200';

async function check(name: Check, action: () => Promise<void>): Promise<void> {
  const start = systemClock.monotonic();
  let why: string | undefined;
  try {
    await action();
  } catch (failure) {
    why = failure instanceof Error ? failure.message : String(failure);
  }
  const milliseconds = Math.round(systemClock.monotonic() - start);
  const report: CheckReport = { check: name, milliseconds, ...(why !== undefined && { why }) };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function expect(what: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected))
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

/** An engine on a DPU, and what it reports. */
class Worker implements AsyncDisposable {
  #sequence = 0n;

  private constructor(
    readonly driver: LinuxDriver,
    private readonly engine: DataplaneEngine<LinuxSpec>,
  ) {}

  static async start(testbed: Testbed, dpu: string): Promise<Worker> {
    const { plan } = testbed.dpu(dpu);
    const driver = await LinuxDriver.open({
      dpu: `guest${plan.number}`,
      underlayDevice: plan.underlay.device,
      namespace: NetworkNamespace.open({ name: plan.namespace }),
    });
    const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
    await engine.start();
    return new Worker(driver, engine);
  }

  /** The report that tells of this document as a whole. */
  apply(complete: ReadonlyMap<string, Uint8Array>): Promise<DocumentReport> {
    const version = { epoch: 'guest', sequence: ++this.#sequence, digest: new Uint8Array(16) };
    return new Promise((resolve) => {
      const listening = this.engine.onReport((report) => {
        if (report.version.sequence !== version.sequence || report.problems.some((each) => each.isUnderWay))
          return;
        listening[Symbol.dispose]();
        resolve(report);
      });
      this.engine.submit({ owner: 'network', version, complete });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    await this.driver[Symbol.asyncDispose]();
  }
}

const testbed = await Testbed.create({
  name: 'guest',
  underlayMtu: 1500,
  dpus: DPUS.map((name, index) => ({
    name,
    serialNumber: `S${index}`,
    pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
    functions: 8,
  })),
});
const workers = new Map<string, Worker>();
for (const dpu of DPUS) workers.set(dpu, await Worker.start(testbed, dpu));
const workerOf = (dpu: string): Worker => workers.get(dpu) as Worker;
const uplinkOf = (dpu: string): string => testbed.dpu(dpu).plan.underlay.device;
const documentFor = (dpu: string): ReadonlyMap<string, Uint8Array> => {
  const other = dpu === 'dpu-1' ? 'dpu-2' : 'dpu-1';
  const tunnelEndpoint = testbed.dpu(other).plan.underlay.addresses[0]?.ip ?? '';
  return new Map(documentOf(dpu, uplinkOf(dpu), { dpu: other, tunnelEndpoint }));
};
const portOf = (tenant: Tenant, role: string): GuestPort =>
  PORTS.find(({ name }) => name === `${tenant}-${role}`) as GuestPort;
const podOf = (tenant: Tenant, role: string): Pod => testbed.pod(`${tenant}-${role}`);

/** By IPv4, IPv6 and TCP, both ways. */
async function reach(tenant: Tenant, from: string, to: string, tcpPort: number): Promise<void> {
  for (const ip of portOf(tenant, to).addresses) await waitReachable(podOf(tenant, from), ip);
  const outcome = await tcpConnect(podOf(tenant, from), podOf(tenant, to), tcpPort);
  expect('TCP', outcome.kind === 'echoed' && outcome.server, `${tenant}-${to}`);
}

async function wholeMtu(tenant: Tenant, from: string, to: string): Promise<void> {
  const [ip] = portOf(tenant, to).addresses;
  const options = { doNotFragment: true, payloadBytes: MTU - 28, timeoutMilliseconds: 5000 };
  expect('a packet of the whole MTU', (await ping(podOf(tenant, from), ip, options)).received, 1);
}

/** Frames on the uplink of a DPU while its server pings the far pod. */
async function framesOnWire(tenant: Tenant, isWanted: (frame: Buffer) => boolean): Promise<void> {
  let wanted = 0;
  const capture = await FrameCapture.open(testbed.dpu('dpu-1'), uplinkOf('dpu-1'), (frame) => {
    if (isWanted(frame)) wanted++;
    return true;
  });
  try {
    await waitUntil('such frames', async () => {
      await ping(podOf(tenant, 'server'), portOf(tenant, 'far').addresses[0]);
      void capture.report;
      return wanted > 0 ? undefined : 'none';
    });
  } finally {
    capture[Symbol.dispose]();
  }
}

const isGeneve = (frame: Buffer): boolean =>
  frame.length > 50 &&
  frame[23] === 17 &&
  frame.readUInt16BE(36) === GENEVE_PORT &&
  frame.readUIntBE(46, 3) === VNI;
/** The tag itself is not seen: this kernel keeps it beside the frame. */
const isBare = (frame: Buffer): boolean =>
  frame.toString('hex', 0, 6) === portOf('initech', 'far').mac.replaceAll(':', '');

/** A machine of the fabric in the VLAN: a device of the fabric's switch. */
async function fabricDevice(): Promise<Endpoint> {
  const { namespace } = testbed.fabric;
  const socket = NetlinkSocket.open({ namespace });
  const { ifiIndex: underlay } = await socket.get(link.get({ ifname: 'underlay' }));
  await socket.send(
    link.create({
      ifname: 'vlan',
      link: underlay,
      ...upFlags(),
      linkinfo: { kind: 'vlan', data: { id: VLAN_ID } },
    }),
  );
  const { ifiIndex: ifaIndex } = await socket.get(link.get({ ifname: 'vlan' }));
  const own = { ifaFamily: AF.INET, ifaIndex, ifaPrefixlen: 24, local: DEVICE, address: DEVICE };
  await socket.send(address.create(own));
  socket.close();
  return { name: 'device', namespace, addresses: [DEVICE] };
}

await check('capabilities', async () => {
  const capabilities = workerOf('dpu-1').driver.capabilities();
  const has = (name: string) => capabilities.find((each) => each.name === name);
  for (const name of ['geneve', 'vlan']) expect(name, has(name), { name, available: true, reason: '' });
});
await check('applied', async () => {
  for (const dpu of DPUS) expect(dpu, (await workerOf(dpu).apply(documentFor(dpu))).problems, []);
});
await check('nothing', async () => {
  for (const dpu of DPUS) {
    await workerOf(dpu)[Symbol.asyncDispose]();
    workers.set(dpu, await Worker.start(testbed, dpu));
    const { problems, repaired } = await workerOf(dpu).apply(documentFor(dpu));
    expect(dpu, { problems, repaired }, { problems: [], repaired: 0 });
  }
});
for (const { name, dpu: home, vf, mac, addresses } of PORTS) {
  const dpu = testbed.dpu(home);
  const pod = await testbed.createPod({ name, host: dpu.host.name });
  const own = addresses.map((ip, index) => ({ ip, prefixLength: index === 0 ? 24 : 64 }));
  await pod.attach(dpu, vf, { mtu: MTU, macAddress: mac, addresses: own });
}
await check('geneve-near', () => reach('acme', 'near', 'server', 8080));
await check('geneve-far', async () => {
  await reach('acme', 'far', 'server', 8081);
  await wholeMtu('acme', 'server', 'far');
});
await check('geneve-wire', () => framesOnWire('acme', isGeneve));
await check('geneve-apart', () => reach('globex', 'far', 'server', 8082));
await check('vlan-far', async () => {
  await reach('initech', 'far', 'server', 8083);
  await reach('initech', 'near', 'server', 8084);
  await wholeMtu('initech', 'server', 'far');
});
await check('vlan-wire', () => framesOnWire('initech', isBare));
await check('vlan-device', async () => {
  const device = await fabricDevice();
  for (const role of ['server', 'far']) {
    await waitReachable(podOf('initech', role), DEVICE);
    await waitReachable(device, portOf('initech', role).addresses[0]);
  }
  const outcome = await tcpConnect(podOf('initech', 'far'), device, 8085);
  expect('TCP', outcome.kind, 'echoed');
});
await check('vlan-apart', async () => {
  await reach('umbrella', 'far', 'server', 8086);
  const options = { timeoutMilliseconds: 500 };
  expect('another tag', (await ping(podOf('umbrella', 'server'), DEVICE, options)).received, 0);
});
await check('removed', async () => {
  for (const dpu of DPUS) {
    expect(dpu, (await workerOf(dpu).apply(new Map())).problems, []);
    const left = await workerOf(dpu).driver.observe({ kind: 'all' });
    const owned = left.flatMap(({ key, ownership }) => (ownership.kind === 'owned' ? [key] : []));
    expect(dpu, owned, []);
  }
});
process.exit(0);
