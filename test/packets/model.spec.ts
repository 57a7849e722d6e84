import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine, type DataplaneEngine, type Driver, type Spec } from '@outboard/dataplane';
import { EchoServer, ping, Testbed, tcpEcho, udpEcho, waitUntil } from '@outboard/testbed';
import fc from 'fast-check';
import { linuxPackets, mixedPackets, ovsPackets } from '../../libs/dataplane/test/packet-worlds.js';
import {
  agrees,
  DPUS,
  documentOf,
  dpuOf,
  explainedFar,
  explainedPing,
  explainedProbe,
  FAR,
  FLOWS,
  farSenders,
  GATEWAYS,
  HOPS,
  type Plan,
  type PlannedWorld,
  PORTS_PER_DPU,
  type Probe,
  pairOf,
  plans,
  portName,
  probesOf,
  vfOf,
  worldOf,
} from './worlds.js';

jest.setTimeout(600_000);

const ECHO_PORTS = [80, 81];
/** Worlds of a round, by the drivers of the two DPUs. A seed in OUTBOARD_SEED repeats a run. */
const DRIVERS = [
  ['linux', linuxPackets, 12],
  ['ovs', ovsPackets, 12],
  ['linux and ovs', mixedPackets, 6],
] as const;
const RUNS = Number(process.env.OUTBOARD_RUNS);
/** Rounds that there may be until every feature was drawn. */
const MOST_ROUNDS = 12;
/** What has to be drawn, or nothing is shown of it. */
const FEATURES = [
  'same DPU',
  'across DPUs',
  'routed',
  'other network',
  'gateway ALLOWED',
  "pair's source ALLOWED",
  'reason SourceNotAllowed',
  'reason AdminDown',
  'reason RuleAllows',
  'reason RuleDenies',
  'reason Isolated',
  'reason NoPolicyApplies',
  'several next hops ALLOWED',
  'several next hops that differ',
  'tier ADMIN',
  'tier DEFAULT',
  'tier BASELINE',
];
/** What must not come is waited for so long; what must come, until it does. */
const SILENCE_MILLISECONDS = 400;

describe.each(DRIVERS)('the model of reachability on %s', (drivenBy, openWorld, usualRuns) => {
  const name = `m${process.pid.toString(36)}`;
  const drivenWorld = openWorld(name);
  const runsPerRound = RUNS || usualRuns;
  let testbed: Testbed;
  let runs = 0;
  const engines = new Map<string, DataplaneEngine>();
  const drivers: Driver<Spec>[] = [];
  const servers: EchoServer[] = [];
  /** Addresses that pods have besides those of their ports. */
  const given = new Set<string>();
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

  const podOf = (index: number) => testbed.pod(`pod-${index}`);
  const underlayOf = (dpu: string): string => testbed.dpu(dpu).plan.underlay.addresses[0]?.ip ?? '';

  beforeAll(async () => {
    testbed = await Testbed.create({
      name,
      underlayMtu: 1600,
      dpus: DPUS.map((dpu, index) => ({
        name: dpu,
        serialNumber: `SN-${dpu}`,
        pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
        functions: PORTS_PER_DPU,
        checksumOffload: drivenWorld.checksumOffload(dpu),
      })),
    });
    for (const dpu of DPUS) {
      const driver = await drivenWorld.open(testbed.dpu(dpu));
      const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
      await engine.start();
      drivers.push(driver);
      engines.set(dpu, engine);
    }
    for (let index = 0; index < DPUS.length * PORTS_PER_DPU; index++) {
      const pod = await testbed.createPod({
        name: `pod-${index}`,
        host: testbed.dpu(dpuOf(index)).host.name,
      });
      if (HOPS.includes(index)) await pod.addAddress(FAR.host);
      for (const port of ECHO_PORTS) servers.push(await EchoServer.listen(pod, port));
    }
  });

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    for (const engine of engines.values()) await engine[Symbol.asyncDispose]();
    for (const driver of drivers) await driver[Symbol.asyncDispose]();
    await drivenWorld[Symbol.asyncDispose]();
    await testbed?.dispose();
  });

  /** Gives every DPU its document, and waits until it is applied and read back. */
  async function realise(planned: PlannedWorld): Promise<void> {
    const epoch = `run-${++runs}`;
    await Promise.all(
      DPUS.map(async (dpu) => {
        const engine = engines.get(dpu) as DataplaneEngine;
        let told: string[] | undefined;
        const listening = engine.onReport(({ version, problems }) => {
          if (version.epoch === epoch) told = problems.map(({ key, message }) => `${key}: ${message}`);
        });
        engine.submit(documentOf(planned, dpu, epoch));
        await waitUntil(
          `${dpu} applies everything`,
          async () => (told?.length === 0 ? undefined : String(told)),
          60_000,
        );
        listening[Symbol.dispose]();
      }),
    );
  }

  async function connect(plan: Plan, { world }: PlannedWorld): Promise<void> {
    for (const index of plan.ports.keys()) {
      const status = world.ports.get(`acme/port-${index}`)?.record.resource.status;
      const pod = podOf(index);
      await pod.detach();
      await pod.attach(testbed.dpu(dpuOf(index)), vfOf(index), {
        mtu: 1450,
        macAddress: status?.macAddress ?? '',
        addresses: status?.addresses ?? [],
      });
      const pair = pairOf(plan, index);
      if (!given.has(`${index} ${pair}`)) await pod.addAddress(pair);
      given.add(`${index} ${pair}`);
    }
  }

  /** Whether the receiver, and nobody else, answers within the time. */
  async function answered(
    { from, protocol, service, source }: Probe,
    to: string,
    ip: string,
    timeoutMilliseconds: number,
  ) {
    const pod = podOf(from);
    if (protocol === 'ICMP' || protocol === 'ICMPv6') {
      return (await ping(pod, ip, { timeoutMilliseconds })).received > 0;
    }
    const echo = protocol === 'TCP' ? tcpEcho : udpEcho;
    const outcome = await echo(
      pod,
      { ip, port: service },
      { timeoutMilliseconds, ...(source !== undefined && { source: { ip: source, port: 0 } }) },
    );
    return outcome.kind === 'echoed' && outcome.server === to;
  }

  /** What is allowed may be slow on a busy machine, and has to come in the end. */
  async function comes(isAllowed: boolean, attempt: (timeout: number) => Promise<boolean>): Promise<boolean> {
    let came = await attempt(SILENCE_MILLISECONDS);
    for (let again = 0; isAllowed && !came && again < 5; again++) came = await attempt(2_000);
    return came;
  }

  /** What differs between model and packets; undefined: nothing. */
  async function judge(plan: Plan, planned: PlannedWorld, probe: Probe): Promise<string | undefined> {
    const { from, to, protocol, service, source } = probe;
    const { verdict, reason, destination = '', decidedBy, path } = explainedProbe(planned, probe);
    const isAllowed = verdict === 'ALLOWED';
    const target = podOf(to).name;
    const came = await comes(isAllowed, (timeout) => answered(probe, target, destination, timeout));
    count(verdict);
    count(`reason ${reason}`);
    count(`protocol ${protocol}`);
    for (const { tier } of decidedBy) count(`tier ${tier}`);
    if (source !== undefined) count(`pair's source ${verdict}`);
    count(dpuOf(from) === dpuOf(to) ? 'same DPU' : 'across DPUs');
    if (path.some(({ kind }) => kind === 'router')) count('routed');
    if (plan.ports[from]?.network !== plan.ports[to]?.network) count('other network');
    if (came === isAllowed) return undefined;
    return `${portName(from)} to ${portName(to)} ${protocol} ${service} from ${source ?? 'its own'}: model ${verdict} ${reason}, packets ${came}`;
  }

  /** Likewise of flows to what is behind the next hops, of which the kernel chooses one for each. */
  async function judgeFar(planned: PlannedWorld, from: number): Promise<string | undefined> {
    const explanation = explainedFar(planned, from);
    const { verdict, reason, nextHops } = explanation;
    const came = await Promise.all(
      Array.from({ length: FLOWS }, () =>
        comes(verdict === 'ALLOWED', async (timeoutMilliseconds) => {
          const outcome = await tcpEcho(podOf(from), { ip: FAR.host, port: 80 }, { timeoutMilliseconds });
          return outcome.kind === 'echoed';
        }),
      ),
    );
    if (nextHops.length > 1) count(`several next hops ${verdict}`);
    if (new Set(nextHops.map((hop) => hop.verdict)).size > 1) count('several next hops that differ');
    const passed = came.filter((each) => each).length;
    if (agrees(explanation, passed)) return undefined;
    const hops = nextHops.map((hop) => `${hop.address} ${hop.verdict} ${hop.reason}`).join(', ');
    return `${portName(from)} to ${FAR.host}: model ${verdict} ${reason} (${hops}), packets ${passed} of ${FLOWS}`;
  }

  /** Likewise of pings to a gateway, on the port's own link or not. */
  async function judgeGateway(planned: PlannedWorld, from: number, gateway: string) {
    const { verdict, reason } = explainedPing(planned, from, gateway);
    count(`gateway ${verdict}`);
    const isAllowed = verdict === 'ALLOWED';
    const came = await comes(
      isAllowed,
      async (timeoutMilliseconds) => (await ping(podOf(from), gateway, { timeoutMilliseconds })).received > 0,
    );
    if (came === isAllowed) return undefined;
    return `${portName(from)} to gateway ${gateway}: model ${verdict} ${reason}, packets ${came}`;
  }

  async function compare(plan: Plan): Promise<void> {
    const planned = worldOf(plan, underlayOf);
    await realise(planned);
    await connect(plan, planned);
    const found = await Promise.all(probesOf(plan).map((probe) => judge(plan, planned, probe)));
    found.push(...(await Promise.all(farSenders(plan).map((from) => judgeFar(planned, from)))));
    const pings = [...plan.ports.keys()].flatMap((from) =>
      GATEWAYS.map((gateway) => judgeGateway(planned, from, gateway)),
    );
    found.push(...(await Promise.all(pings)));
    expect(found.filter((difference) => difference !== undefined)).toEqual([]);
  }

  it('says of every flow what packets do, in random networks under random policies', async () => {
    const seed = Number(process.env.OUTBOARD_SEED ?? Date.now() % 2 ** 31);
    const of = (what: string): number => counts.get(what) ?? 0;
    const missing = () => FEATURES.filter((feature) => of(feature) === 0);
    let rounds = 0;
    do {
      await fc.assert(fc.asyncProperty(plans, compare), {
        seed: seed + rounds,
        numRuns: runsPerRound,
        endOnFailure: true,
      });
    } while (++rounds < MOST_ROUNDS && missing().length > 0);
    const lines = [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
    process.stdout.write(
      `${drivenBy}: seed ${seed}, ${rounds * runsPerRound} worlds\n${lines.map(([what, number]) => `  ${what}: ${number}`).join('\n')}\n`,
    );
    const allowed = of('ALLOWED');
    const denied = of('DENIED') + of('UNREACHABLE');
    expect(denied / (allowed + denied)).toBeGreaterThanOrEqual(0.3);
    expect(allowed).toBeGreaterThan(0);
    expect(missing()).toEqual([]);
  });
});
