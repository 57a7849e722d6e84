import { describe, expect, it, jest } from '@jest/globals';
import { type PolicyState, policyStates } from '../../test/policy-states.js';
import type { DocumentReport } from '../document.js';
import type { Operation, OperationResult } from '../driver.js';
import { faultyDriver } from '../driver-memory/faulty-driver.js';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import { keyOf, specOf } from '../handlers.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { SimDriver } from './sim-driver.js';
import { SimFabric } from './sim-fabric.js';
import { SimHost } from './sim-host.js';
import { SimSwitch } from './sim-switch.js';

const NETWORK = '0192f3c1-7a2e-7c1b-9d40-000000000001';
const FAILURE: OperationResult = { kind: 'failed', error: { code: 'EIO', message: 'injected' } };
const HOSTS = ['server', 'near', 'far'].map((name, index) => ({
  name,
  representor: `pf0vf${index}`,
  macAddress: `02:00:5e:00:00:0${index}`,
  ip: `10.0.1.${10 + index}`,
}));
const [SERVER, NEAR, FAR] = HOSTS.map(({ ip }) => ip) as [string, string, string];
const STATES = policyStates({ near: [NEAR], far: [FAR] });
/** Every how many-th operation of a change fails. */
const STRIDE = 19;

/** A switch with a server and two that ask, under the policies of a state. */
class SimPolicyLab implements AsyncDisposable {
  readonly #hosts = new Map<string, SimHost>();
  #sequence = 0;

  private constructor(
    readonly fabric: SimFabric,
    readonly driver: ReturnType<typeof faultyDriver<OvsSpec>>,
    readonly probe: EngineProbe<OvsSpec>,
  ) {
    for (const { name, representor, macAddress, ip } of HOSTS) {
      const host = new SimHost({ macAddress, addresses: [{ ip, prefixLength: 24 }] });
      this.#hosts.set(name, host);
      fabric.attach('dpu-1', representor, host);
    }
  }

  /** `afterwards`: called whenever the switch has done something. */
  static async open(afterwards: (lab: SimPolicyLab) => void = () => undefined): Promise<SimPolicyLab> {
    const vswitch = new SimSwitch();
    for (const { representor } of HOSTS) vswitch.plug(representor);
    const fabric = new SimFabric();
    fabric.add({ name: 'dpu-1', vswitch, underlayAddress: '10.254.0.1' });
    const driver = faultyDriver(new SimDriver({ vswitch }));
    const apply = driver.apply.bind(driver);
    driver.apply = async (operations) => {
      const results = await apply(operations);
      afterwards(lab);
      return results;
    };
    const lab = new SimPolicyLab(fabric, driver, await EngineProbe.start(driver));
    return lab;
  }

  /** The flows that are possible now, by their names. */
  possible(): readonly string[] {
    return ['near', 'far'].flatMap((from) =>
      [80, 5003].flatMap((port) => {
        const host = this.#hosts.get(from) as SimHost;
        const { arrived } = this.fabric.probe(host, { destination: SERVER, protocol: 'TCP', port });
        return arrived ? [`${from} ${port}`] : [];
      }),
    );
  }

  submit({ objects, server }: PolicyState): Promise<DocumentReport> {
    const sequence = ++this.#sequence;
    const healed = this.probe.until(
      ({ version, problems }) => version.sequence === BigInt(sequence) && problems.length === 0,
    );
    const endpoints = HOSTS.map(({ name, ip, ...host }) =>
      d.endpoint(name, NETWORK, { ...host, ipAddresses: [ip], ...(name === 'server' ? server : {}) }),
    );
    const entries = [d.router(), d.bridgeDomain(NETWORK), ...endpoints, ...objects];
    this.probe.engine.submit(d.document(sequence, entries));
    return healed;
  }

  /** Resolves when there is nothing to do any more for what was submitted last, but what is told to have failed. */
  async told(): Promise<void> {
    await this.probe.until(
      ({ version, problems }) =>
        version.sequence === BigInt(this.#sequence) && !problems.some(({ isUnderWay }) => isUnderWay),
    );
    await this.probe.engine.settled();
  }

  /** Resolves when that is so, whatever failed before. */
  async become(state: PolicyState): Promise<readonly string[]> {
    await this.submit(state);
    await this.probe.engine.settled();
    return this.possible();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.probe[Symbol.asyncDispose]();
    await this.driver[Symbol.asyncDispose]();
  }
}

/**
 * What was possible meanwhile and neither before nor after, in all changes from a state to the others, where one operation
 * fails, and the one so many after it.
 */
async function extraAllows(
  former: PolicyState,
  apart: number,
): Promise<{ changes: number; extra: unknown[] }> {
  let openings = new Set<string>();
  const lab = await SimPolicyLab.open((self) => {
    for (const flow of self.possible()) openings.add(flow);
  });
  const extra: unknown[] = [];
  let changes = 0;
  for (const next of STATES.filter((state) => state !== former)) {
    for (let failing = -1, operations = 1; failing < operations; failing += STRIDE) {
      const before = await lab.become(former);
      openings = new Set();
      let count = 0;
      const fails = (operation: number) => operation === failing || operation === failing + apart;
      lab.driver.setFault(() => (fails(count++) ? FAILURE : undefined));
      const after = await lab.become(next);
      lab.driver.setFault(undefined);
      if (failing < 0) operations = count;
      changes++;
      const flows = [...openings].filter((flow) => !before.includes(flow) && !after.includes(flow));
      if (flows.length > 0)
        extra.push({ former: STATES.indexOf(former), next: STATES.indexOf(next), failing, flows });
    }
  }
  await lab[Symbol.asyncDispose]();
  return { changes, extra };
}

/** What cannot be done for as long as it takes until that is told. */
const LASTING = [
  ['chain', 'update'],
  ['policy', 'create'],
  ['policy', 'delete'],
  ['member', 'create'],
  ['member', 'delete'],
  ['segment', 'delete'],
] as const;

/**
 * What was possible meanwhile and neither before nor after, in every third change from a state, where such operations fail until
 * it is told that they do.
 */
async function extraAllowsWithout(
  former: PolicyState,
  kind: OvsSpec['kind'],
  action: Operation<OvsSpec>['action'],
): Promise<{ failures: number; extra: unknown[] }> {
  let openings = new Set<string>();
  const lab = await SimPolicyLab.open((self) => {
    for (const flow of self.possible()) openings.add(flow);
  });
  const extra: unknown[] = [];
  let failures = 0;
  const from = STATES.indexOf(former);
  for (const next of STATES.filter((_, to) => to !== from && (from + to) % 3 === 2)) {
    const before = await lab.become(former);
    openings = new Set();
    let failing: string | undefined;
    lab.driver.setFault((operation) => {
      if (operation.action !== action || specOf(operation).kind !== kind) return undefined;
      failing ??= keyOf(operation);
      return keyOf(operation) === failing ? FAILURE : undefined;
    });
    const healed = lab.submit(next);
    await lab.told();
    if (failing !== undefined) failures++;
    lab.driver.setFault(undefined);
    await healed;
    await lab.probe.engine.settled();
    const after = lab.possible();
    const flows = [...openings].filter((flow) => !before.includes(flow) && !after.includes(flow));
    if (flows.length > 0) extra.push({ former: from, next: STATES.indexOf(next), flows });
  }
  await lab[Symbol.asyncDispose]();
  return { failures, extra };
}

jest.setTimeout(120_000);
describe('policies on a simulated switch', () => {
  it.each([
    ['operation of a change fails', 0],
    ['two operations of a change fail that follow each other', 1],
    ['two operations of a change fail that are further apart', 5],
  ])('never let through what neither the former nor the next allow, whichever %s', async (_, apart) => {
    const walks = await Promise.all(STATES.map((former) => extraAllows(former, apart)));
    expect(walks.flatMap(({ extra }) => extra)).toEqual([]);
    expect(walks.reduce((sum, { changes }) => sum + changes, 0)).toBeGreaterThan(80);
  });

  it.each(LASTING)(
    'never let through what neither the former nor the next allow, while %s %s operations fail',
    async (kind, action) => {
      const walks = await Promise.all(STATES.map((former) => extraAllowsWithout(former, kind, action)));
      expect(walks.flatMap(({ extra }) => extra)).toEqual([]);
      expect(walks.reduce((sum, { failures }) => sum + failures, 0)).toBeGreaterThan(3);
    },
  );

  it('let through nobody whom a group may deny, as long as one of its members cannot be made', async () => {
    const lab = await SimPolicyLab.open();
    const [denied] = policyStates({ near: [NEAR], far: [] }) as [PolicyState];
    const empty = policyStates({ near: [], far: [] })[0] as PolicyState;
    const everybody = ['near 80', 'near 5003', 'far 80', 'far 5003'];
    expect(await lab.become(empty)).toEqual(everybody);
    lab.driver.setFault(({ action }) => (action === 'create' ? FAILURE : undefined));
    const told = lab.probe.until(({ problems }) => problems.length === 2);
    const healed = lab.submit(denied);
    expect((await told).problems).toEqual([
      expect.objectContaining({ key: `addressgroupmember/acme/main/g/${NEAR}`, state: 'FAILED' }),
      expect.objectContaining({
        key: d.ruleSetKey('q'),
        state: 'FAILED',
        message: expect.stringContaining('lets less through than it should'),
      }),
    ]);
    await lab.probe.engine.settled();
    expect(lab.possible()).toEqual([]);
    lab.driver.setFault(undefined);
    await healed;
    await lab.probe.engine.settled();
    expect(lab.possible()).toEqual(['far 80', 'far 5003']);
    await lab[Symbol.asyncDispose]();
  });
});
