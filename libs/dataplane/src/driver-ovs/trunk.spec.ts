import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  arpFrame,
  BROADCAST,
  EchoServer,
  FrameCapture,
  FrameSender,
  isArp,
  type Pod,
  ping,
  runDhcpClient,
  Testbed,
  taggedFrame,
  tcpEcho,
  VlanDevice,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import { ovsPackets } from '../../test/packet-worlds.js';
import type { Driver, Spec } from '../driver.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';

jest.setTimeout(60_000);

const MTU = 1450;
const ECHO_PORT = 8080;
const VTEPS: Record<string, string> = { 'dpu-1': '10.254.0.1', 'dpu-2': '10.254.0.2' };
const NETWORKS = {
  blue: '0192f3c1-0000-7000-8000-0000000000b1',
  red: '0192f3c1-0000-7000-8000-0000000000ed',
  green: '0192f3c1-0000-7000-8000-0000000000e6',
} as const;
type NetworkName = keyof typeof NETWORKS;
const NUMBERS: Record<NetworkName, number> = { blue: 1, red: 2, green: 3 };

interface Port {
  readonly name: string;
  readonly pod: string;
  readonly network: NetworkName;
  readonly dpu: string;
  readonly vf: number;
  /** 0: the function itself. */
  readonly vlanId: number;
  readonly number: number;
}
/** A CNF with one function in three networks, and a pod of each of these on the same DPU or the other. */
const CNF = { pod: 'cnf', dpu: 'dpu-1', vf: 0, number: 10 } as const;
const PORTS: readonly Port[] = [
  { ...CNF, name: 'cnf', network: 'blue', vlanId: 0 },
  { ...CNF, name: 'cnf-red', network: 'red', vlanId: 101 },
  { ...CNF, name: 'cnf-green', network: 'green', vlanId: 102 },
  { name: 'red-near', pod: 'red-near', network: 'red', dpu: 'dpu-1', vf: 1, vlanId: 0, number: 11 },
  { name: 'red-far', pod: 'red-far', network: 'red', dpu: 'dpu-2', vf: 0, vlanId: 0, number: 12 },
  { name: 'blue-far', pod: 'blue-far', network: 'blue', dpu: 'dpu-2', vf: 1, vlanId: 0, number: 13 },
  { name: 'green-far', pod: 'green-far', network: 'green', dpu: 'dpu-2', vf: 2, vlanId: 0, number: 14 },
];
const portOf = (name: string): Port => PORTS.find((each) => each.name === name) as Port;
const addressesOf = ({ network, number }: Port): [ipv4: string, ipv6: string] => [
  `10.0.${NUMBERS[network]}.${number}`,
  `fd00:${NUMBERS[network]}::${number}`,
];
const macOf = ({ network, number }: Port): string => `02:00:5e:00:0${NUMBERS[network]}:${number}`;
const statusOf = (port: Port) => ({
  mtu: MTU,
  macAddress: macOf(port),
  addresses: addressesOf(port).map((ip, index) => ({ ip, prefixLength: index === 0 ? 24 : 64 })),
});

/** What a planner would make of the ports for a DPU; `changes`: of endpoints, by the port's name. */
function entriesFor(dpu: string, changes: Readonly<Record<string, d.EndpointFields>> = {}): d.Entry[] {
  const others = Object.keys(VTEPS).filter((name) => name !== dpu);
  return [
    d.router(),
    ...Object.entries(NETWORKS).flatMap(([name, uid]) => [
      d.bridgeDomain(uid, { vni: 100 + NUMBERS[name as NetworkName], mtu: MTU }),
      ...others.map((other) => d.tunnelPeer(uid, VTEPS[other] ?? '')),
    ]),
    ...PORTS.map((port) => {
      const common = { macAddress: macOf(port), ipAddresses: addressesOf(port) };
      const uid = NETWORKS[port.network];
      return port.dpu === dpu
        ? d.endpoint(port.name, uid, {
            ...common,
            representor: `pf0vf${port.vf}`,
            vlanId: port.vlanId,
            ...changes[port.name],
          })
        : d.remoteEndpoint(port.name, uid, { ...common, tunnelEndpoint: VTEPS[port.dpu] ?? '' });
    }),
  ];
}

describe('ports that are VLANs of another, on Open vSwitch', () => {
  const world = ovsPackets();
  const open: AsyncDisposable[] = [];
  const vlans: VlanDevice[] = [];
  const servers: Disposable[] = [];
  const probes = new Map<string, EngineProbe<Spec>>();
  let sequence = 0;
  let testbed: Testbed;
  const pod = (name: string): Pod => testbed.pod(name);
  const connects = (from: string, to: string) => {
    const [ip] = addressesOf(portOf(to));
    return tcpEcho(pod(portOf(from).pod), { ip, port: ECHO_PORT });
  };
  const apply = async (
    changes: Readonly<Record<string, d.EndpointFields>>,
    more: readonly d.Entry[] = [],
  ) => {
    const probe = probes.get('dpu-1') as EngineProbe<Spec>;
    const entries = [...entriesFor('dpu-1', changes), ...more];
    expect((await probe.apply(d.document(++sequence, entries))).problems).toEqual([]);
  };

  beforeAll(async () => {
    testbed = await Testbed.create({
      name: `k${process.pid.toString(36)}`,
      dpus: ['dpu-1', 'dpu-2'].map((name, index) => ({
        name,
        serialNumber: `S${index}`,
        pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
        functions: 3,
        checksumOffload: false,
      })),
    });
    sequence++;
    for (const dpu of testbed.dpus.values()) {
      const driver: Driver<Spec> = await world.open(dpu);
      const probe = await EngineProbe.start(driver);
      open.unshift(probe, driver);
      probes.set(dpu.name, probe);
      const report = await probe.apply(d.document(sequence, entriesFor(dpu.name)));
      expect(report.problems).toEqual([]);
    }
    for (const port of PORTS) {
      if (port.vlanId > 0) continue;
      const made = await testbed.createPod({ name: port.pod, host: testbed.dpu(port.dpu).host.name });
      await made.attach(testbed.dpu(port.dpu), port.vf, statusOf(port));
      servers.push(await EchoServer.listen(made, ECHO_PORT));
    }
    for (const port of PORTS.filter(({ vlanId }) => vlanId > 0)) {
      const { namespace } = pod(port.pod);
      const { vlanId } = port;
      const device = `eth0.${vlanId}`;
      const status = statusOf(port);
      vlans.push(await VlanDevice.create({ namespace, parent: 'eth0', vlanId, device, status }));
    }
  });
  afterAll(async () => {
    for (const each of [...servers, ...vlans]) each[Symbol.dispose]();
    for (const each of open) await each[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await testbed.dispose();
  });

  it.each([
    ['cnf-red', 'red-near'],
    ['cnf-red', 'red-far'],
    ['cnf-green', 'green-far'],
    ['cnf', 'blue-far'],
  ])('%s reaches %s and is reached, by IPv4 and IPv6', async (one, other) => {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      for (const ip of addressesOf(portOf(to))) await waitReachable(pod(portOf(from).pod), ip);
    }
    expect(await connects(one, other)).toMatchObject({ kind: 'echoed' });
    expect(await connects(other, one)).toMatchObject({ kind: 'echoed' });
  });

  /** Sends questions of the CNF until one with a good tag arrives; those before it have arrived by then, if ever. */
  async function arriving(
    frames: readonly Buffer[],
    good: Buffer,
    at: string,
    isGood: (frame: Buffer) => boolean,
  ): Promise<Buffer[]> {
    const seen: Buffer[] = [];
    const sender = await FrameSender.open(pod('cnf'), 'eth0');
    const capture = await FrameCapture.open(pod(at), 'eth0', (frame, direction) => {
      if (direction === 'in' && isArp(frame)) seen.push(Buffer.from(frame));
      return true;
    });
    try {
      for (const frame of frames) sender.send(frame);
      await waitUntil('the good frame arrives', async () => {
        sender.send(good);
        void capture.report;
        return seen.some(isGood) ? undefined : 'it does not';
      });
      return seen.filter((frame) => !isGood(frame));
    } finally {
      sender[Symbol.dispose]();
      capture[Symbol.dispose]();
    }
  }
  const question = (port: Port, targetIp: string, more: object = {}): Buffer =>
    arpFrame({
      operation: 'request',
      senderMac: macOf(port),
      senderIp: addressesOf(port)[0],
      targetIp,
      sourceMac: macOf(port),
      destinationMac: BROADCAST,
      ...more,
    });
  /** An address that nobody has: the question goes to all. */
  const NOBODY = '10.0.2.200';
  const targetOf = (frame: Buffer): string => [...frame.subarray(38, 42)].join('.');

  it('nothing comes through with a tag that is no port, without one, or with the source of another', async () => {
    const red = portOf('cnf-red');
    const wrong = [
      taggedFrame(question(red, '10.0.2.201'), 103),
      question(red, '10.0.2.202'),
      taggedFrame(question(red, '10.0.2.203'), 102),
      taggedFrame(question(red, '10.0.2.204', { senderIp: '10.0.2.77' }), 101),
      taggedFrame(question(red, '10.0.2.205', { senderMac: macOf(portOf('cnf')) }), 101),
      taggedFrame(taggedFrame(question(red, '10.0.2.206'), 101), 101),
    ];
    const good = taggedFrame(question(red, NOBODY), 101);
    const isGood = (frame: Buffer) => targetOf(frame) === NOBODY;
    const others = await arriving(wrong, good, 'red-near', isGood);
    expect(others.map(targetOf).filter((ip) => /^10\.0\.2\.20[1-6]$/.test(ip))).toEqual([]);
  });

  it('what is for one VLAN is seen by it alone, with its tag', async () => {
    const tags = new Set<string>();
    const [target] = addressesOf(portOf('cnf-red'));
    const captures = await Promise.all(
      ['eth0.101', 'eth0.102'].map((device) =>
        FrameCapture.open(pod('cnf'), device, (frame, direction) => {
          if (direction === 'in' && isArp(frame) && targetOf(frame) === NOBODY) tags.add(device);
          return true;
        }),
      ),
    );
    const sender = await FrameSender.open(pod('red-far'), 'eth0');
    try {
      expect(target).toBe('10.0.2.10');
      await waitUntil('the question is seen', async () => {
        sender.send(question(portOf('red-far'), NOBODY));
        for (const capture of captures) void capture.report;
        return tags.size > 0 ? undefined : 'it is not';
      });
      expect([...tags]).toEqual(['eth0.101']);
    } finally {
      sender[Symbol.dispose]();
      for (const capture of captures) capture[Symbol.dispose]();
    }
  });

  it('each has its own policies', async () => {
    const closed = d.ruleSet('closed', {
      ingress: [{ name: 'a', action: 'ALLOW', services: [{ protocol: 1, icmpType: 8 }] }],
    });
    await apply({ 'cnf-red': { ruleSets: [d.ruleSetKey('closed')], isolatedIngress: true } }, [closed]);
    expect(await connects('red-far', 'cnf-red')).toMatchObject({ kind: 'failed', code: 'ETIMEDOUT' });
    await waitReachable(pod('red-far'), addressesOf(portOf('cnf-red'))[0]);
    expect(await connects('cnf-red', 'red-far')).toMatchObject({ kind: 'echoed' });
    expect(await connects('green-far', 'cnf-green')).toMatchObject({ kind: 'echoed' });
    expect(await connects('blue-far', 'cnf')).toMatchObject({ kind: 'echoed' });
    await apply({});
    expect(await connects('red-far', 'cnf-red')).toMatchObject({ kind: 'echoed' });
  });

  it('one that is administratively down is silent, and the others are not', async () => {
    await apply({ 'cnf-red': { adminUp: false } });
    const [red] = addressesOf(portOf('cnf-red'));
    expect((await ping(pod('red-far'), red, { timeoutMilliseconds: 300 })).received).toBe(0);
    await waitReachable(pod('green-far'), addressesOf(portOf('cnf-green'))[0]);
    await apply({});
    await waitReachable(pod('red-far'), red);
  });

  it('comes back when somebody takes its flows', async () => {
    await world.wipe(testbed.dpu('dpu-1'));
    for (const [from, to] of [
      ['red-far', 'cnf-red'],
      ['cnf-green', 'green-far'],
    ] as const)
      await waitReachable(pod(portOf(from).pod), addressesOf(portOf(to))[0]);
  });

  it('is told its addresses by DHCP on its VLAN, the others theirs', async () => {
    const told = (network: NetworkName) =>
      d.hostConfiguration(NETWORKS[network], [
        {
          prefix: `10.0.${NUMBERS[network]}.0/24`,
          gateway: `10.0.${NUMBERS[network]}.1`,
          dhcp: { leaseSeconds: 600 },
        },
      ]);
    await apply({}, [told('blue'), told('red'), told('green')]);
    const addresses = async (device: string) =>
      (await runDhcpClient(pod('cnf'), 4, device)).get('ip_address');
    expect(await addresses('eth0.101')).toBe('10.0.2.10');
    expect(await addresses('eth0.102')).toBe('10.0.3.10');
  });
});
