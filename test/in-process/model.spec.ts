import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { systemClock, systemRandom } from '@outboard/core';
import {
  createEngine,
  type DataplaneEngine,
  SimDriver,
  SimFabric,
  SimHost,
  SimSwitch,
} from '@outboard/dataplane';
import fc from 'fast-check';
import {
  agrees,
  DPUS,
  documentOf,
  dpuOf,
  explainedFar,
  explainedProbe,
  FAR,
  FLOWS,
  farSenders,
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
} from '../packets/worlds.js';

jest.setTimeout(120_000);

/** A seed in OUTBOARD_SEED repeats a run; `npx nx run packets:test-slow` tries the same with real packets. */
const RUNS = Number(process.env.OUTBOARD_RUNS ?? 15);
const UNDERLAY: Readonly<Record<string, string>> = { 'dpu-1': '10.254.0.1', 'dpu-2': '10.254.0.2' };
const underlayOf = (dpu: string): string => UNDERLAY[dpu] ?? '';

/** Simulated DPUs with the documents of a world, and pods behind its ports. */
class SimulatedWorld implements AsyncDisposable {
  readonly fabric = new SimFabric();
  readonly hosts: SimHost[] = [];
  readonly #engines = new Map<string, DataplaneEngine>();
  readonly #open: AsyncDisposable[] = [];

  static async realise(plan: Plan, planned: PlannedWorld): Promise<SimulatedWorld> {
    const simulated = new SimulatedWorld();
    for (const dpu of DPUS) await simulated.#addDpu(dpu);
    await Promise.all(DPUS.map((dpu) => simulated.#apply(dpu, planned)));
    for (const index of plan.ports.keys()) simulated.#connect(plan, planned, index);
    return simulated;
  }

  async #addDpu(name: string): Promise<void> {
    const vswitch = new SimSwitch();
    for (let vf = 0; vf < PORTS_PER_DPU; vf++) vswitch.plug(`pf0vf${vf}`);
    const underlayAddress = underlayOf(name);
    this.fabric.add({ name, vswitch, underlayAddress });
    const driver = new SimDriver({
      vswitch,
      underlay: { device: 'up0', address: underlayAddress, mtu: 1600 },
    });
    const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
    await engine.start();
    this.#engines.set(name, engine);
    this.#open.push(engine, driver);
  }

  #apply(dpu: string, planned: PlannedWorld): Promise<void> {
    const engine = this.#engines.get(dpu) as DataplaneEngine;
    return new Promise((resolve) => {
      const listening = engine.onReport(({ version, problems }) => {
        if (version.epoch !== 'epoch' || problems.length > 0) return;
        listening[Symbol.dispose]();
        resolve();
      });
      engine.submit(documentOf(planned, dpu, 'epoch'));
    });
  }

  #connect(plan: Plan, { world }: PlannedWorld, index: number): void {
    const status = world.ports.get(`acme/${portName(index)}`)?.record.resource.status;
    const host = new SimHost({
      macAddress: status?.macAddress ?? '',
      addresses: status?.addresses ?? [],
      more: [pairOf(plan, index), ...(HOPS.includes(index) ? [FAR.host] : [])],
    });
    this.hosts[index] = host;
    this.fabric.attach(dpuOf(index), `pf0vf${vfOf(index)}`, host);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#open) await each[Symbol.asyncDispose]();
  }
}

describe('the model of reachability on simulated switches', () => {
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  let simulated: SimulatedWorld | undefined;
  beforeEach(() => counts.clear());
  afterEach(() => simulated?.[Symbol.asyncDispose]());

  /** What differs between model and frames; undefined: nothing. */
  function judge(planned: PlannedWorld, { fabric, hosts }: SimulatedWorld, probe: Probe): string | undefined {
    const { from, to, protocol, service, source } = probe;
    const { verdict, reason, destination = '' } = explainedProbe(planned, probe);
    const { answered } = fabric.probe(hosts[from] as SimHost, {
      destination,
      protocol: protocol === 'ICMPv6' || protocol === 'ICMP' ? 'ICMP' : (protocol as 'TCP' | 'UDP'),
      port: service,
      ...(source !== undefined && { source }),
    });
    count(verdict);
    count(`reason ${reason}`);
    if (answered === (verdict === 'ALLOWED')) return undefined;
    return `${portName(from)} to ${portName(to)} ${protocol} ${service} from ${source ?? 'its own'}: model ${verdict} ${reason}, frames ${answered}`;
  }

  /** Likewise of flows to what is behind the next hops, of which a switch chooses one for each. */
  function judgeFar(
    planned: PlannedWorld,
    { fabric, hosts }: SimulatedWorld,
    from: number,
  ): string | undefined {
    const explanation = explainedFar(planned, from);
    const { verdict, nextHops } = explanation;
    const outcomes = Array.from({ length: FLOWS }, () =>
      fabric.probe(hosts[from] as SimHost, { destination: FAR.host, protocol: 'TCP', port: 80 }),
    );
    const passed = outcomes.filter(({ answered }) => answered).length;
    if (nextHops.length > 1) count(`several next hops ${verdict}`);
    if (agrees(explanation, passed)) return undefined;
    return `${portName(from)} to ${FAR.host}: model ${verdict}, ${passed} of ${FLOWS} frames`;
  }

  it('says of every flow what frames do, in random networks under random policies', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const planned = worldOf(plan, underlayOf);
        const world = await SimulatedWorld.realise(plan, planned);
        simulated = world;
        const differences = [
          ...probesOf(plan).map((probe) => judge(planned, world, probe)),
          ...farSenders(plan).map((from) => judgeFar(planned, world, from)),
        ];
        await world[Symbol.asyncDispose]();
        expect(differences.filter((difference) => difference !== undefined)).toEqual([]);
      }),
      {
        numRuns: RUNS,
        ...(process.env.OUTBOARD_SEED !== undefined && { seed: Number(process.env.OUTBOARD_SEED) }),
      },
    );
    const of = (what: string): number => counts.get(what) ?? 0;
    const denied = of('DENIED') + of('UNREACHABLE');
    expect(denied / (denied + of('ALLOWED'))).toBeGreaterThan(0.3);
    expect(of('ALLOWED')).toBeGreaterThan(0);
  });
});
