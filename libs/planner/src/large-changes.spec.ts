import { describe, expect, it } from '@jest/globals';
import { findCondition, isReady, type Name, type Port } from '@outboard/model';
import { checkInvariants } from '../test/invariants.js';
import { identityOf, Lab } from '../test/lab.js';
import { expectOnePart, retellAll } from '../test/retelling.js';
import { DEFAULT_WORLD_OPTIONS, type Decision, present } from './index.js';

/** As a service has it, in small. */
const TOLD_AT_ONCE = 10;
const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'];
const PORTS_OF_DPU = 9;
const PORTS = DPUS.length * PORTS_OF_DPU;

const WEB = { labels: { app: 'web' } };
const SELECTOR = { matchLabels: WEB.labels };
const LOCK = { portSelector: SELECTOR, ingress: [] };
const CHAIN = {
  portSelector: SELECTOR,
  destination: { cidrs: ['192.0.2.0/24'] },
  hops: [{ name: 'firewall', ingressPort: 'firewall' }],
};

/** More ports of one network than three decisions tell, all ready, and one that is a hop. */
function world(): Lab {
  const lab = new Lab({ ...DEFAULT_WORLD_OPTIONS, toldAtOnce: TOLD_AT_ONCE });
  lab.fleet(DPUS, PORTS_OF_DPU + 1);
  lab.apply('Network', 'blue', {});
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/16' });
  lab.group(() => {
    for (const dpu of DPUS)
      for (let index = 0; index < PORTS_OF_DPU; index++)
        lab.apply('Port', `web-${dpu}-${index}`, { network: 'blue', function: identityOf(dpu, index) }, WEB);
    lab.apply('Port', 'firewall', { network: 'blue', function: identityOf('dpu-1', PORTS_OF_DPU) });
  });
  confirmAll(lab);
  return lab;
}

function confirmAll(lab: Lab): void {
  for (const dpu of DPUS) lab.report(dpu);
  retellAll(lab);
}

const isReadyPort = ({ status }: Port): boolean => isReady(status.conditions);

/** How many ports callers see as ready who ask for them, and how many those who read their rows. */
const ready = (lab: Lab): { asked: number; stored: number } => {
  const ports = lab.records('Port').map(({ resource }) => resource);
  return {
    asked: ports.filter((port) => isReadyPort(present(lab.world, port))).length,
    stored: ports.filter(isReadyPort).length,
  };
};

/** What gives many ports something else to confirm, each after what it needs. */
const CHANGES: readonly (readonly [string, (lab: Lab) => void, (lab: Lab) => Decision])[] = [
  ['a policy that selects them comes', () => {}, (lab) => lab.apply('SecurityPolicy', 'lock', LOCK)],
  [
    'the policy isolates in another direction',
    (lab) => lab.apply('SecurityPolicy', 'lock', LOCK),
    (lab) => lab.apply('SecurityPolicy', 'lock', { ...LOCK, isolates: ['EGRESS'] }),
  ],
  [
    'the policy selects them no more',
    (lab) => lab.apply('SecurityPolicy', 'lock', LOCK),
    (lab) => lab.apply('SecurityPolicy', 'lock', { ...LOCK, portSelector: { matchLabels: { app: 'db' } } }),
  ],
  [
    'the policy goes',
    (lab) => lab.apply('SecurityPolicy', 'lock', LOCK),
    (lab) => lab.delete('SecurityPolicy', 'lock'),
  ],
  ['a chain that steers them comes', () => {}, (lab) => lab.apply('ServiceChain', 'inspect', CHAIN)],
  [
    'the chain goes',
    (lab) => lab.apply('ServiceChain', 'inspect', CHAIN),
    (lab) => lab.delete('ServiceChain', 'inspect'),
  ],
  [
    'the network that a chain steers them to gets a subnet',
    (lab) => {
      lab.apply('Network', 'red', {});
      lab.apply('ServiceChain', 'inspect', { ...CHAIN, destination: { network: 'red' } });
    },
    (lab) => lab.apply('Subnet', 'red-v4', { network: 'red', cidr: '10.1.0.0/24' }),
  ],
];

describe.each(CHANGES)('more ports than one decision tells, when %s', (_, prepare, change) => {
  const changed = (): Lab => {
    const lab = world();
    prepare(lab);
    retellAll(lab);
    confirmAll(lab);
    expect(ready(lab).stored).toBe(PORTS + 1);
    const decision = change(lab);
    expectOnePart(lab, decision);
    return lab;
  };

  it('are not ready for anybody who asks from then on, and in their rows part by part', () => {
    const lab = changed();
    expect(ready(lab)).toEqual({ asked: 1, stored: PORTS + 1 - TOLD_AT_ONCE });
    expect(retellAll(lab)).toEqual([TOLD_AT_ONCE, PORTS - 2 * TOLD_AT_ONCE]);
    expect(ready(lab)).toEqual({ asked: 1, stored: 1 });
    checkInvariants(lab);
    confirmAll(lab);
    expect(ready(lab)).toEqual({ asked: PORTS + 1, stored: PORTS + 1 });
    checkInvariants(lab);
  });

  it('are ready as their DPUs confirm, also those whose rows were not written yet', () => {
    const lab = changed();
    lab.report('dpu-3');
    expect(ready(lab).asked).toBe(PORTS_OF_DPU + 1);
    confirmAll(lab);
    expect(ready(lab)).toEqual({ asked: PORTS + 1, stored: PORTS + 1 });
    expect(lab.records('Retelling')).toEqual([]);
    checkInvariants(lab);
  });

  it('are not ready after a restart in between either, before their DPUs have confirmed', () => {
    const lab = changed();
    expect(lab.records('Retelling')).toHaveLength(1);
    lab.restart();
    expect(ready(lab).asked).toBeLessThanOrEqual(1);
    retellAll(lab, () => {
      lab.restart();
      expect(ready(lab).asked).toBeLessThanOrEqual(1);
    });
    expect(lab.records('Retelling')).toEqual([]);
    confirmAll(lab);
    expect(ready(lab)).toEqual({ asked: PORTS + 1, stored: PORTS + 1 });
    checkInvariants(lab);
  });
});

const gateways = (lab: Lab): { asked: Set<unknown>; stored: Set<unknown> } => {
  const ports = lab.records('Port').map(({ resource }) => resource);
  const gatewaysOf = (those: readonly Port[]): Set<unknown> =>
    new Set(those.flatMap(({ status }) => status.addresses.map(({ gateway }) => gateway)));
  return { asked: gatewaysOf(ports.map((port) => present(lab.world, port))), stored: gatewaysOf(ports) };
};

describe.each([
  ['', () => {}],
  [', with restarts in between', (lab: Lab) => lab.restart()],
])('more ports than one decision tells%s', (_, between) => {
  it('have the gateway that their subnet has now', () => {
    const lab = world();
    const subnet = { network: 'blue', cidr: '10.0.0.0/16', gateway: '10.0.255.254' };
    expectOnePart(lab, lab.apply('Subnet', 'blue-v4', subnet));
    expect(gateways(lab).asked).toEqual(new Set([subnet.gateway]));
    expect(gateways(lab).stored.size).toBe(2);
    between(lab);
    expect(retellAll(lab, () => between(lab)).length).toBeGreaterThan(1);
    expect(gateways(lab).stored).toEqual(new Set([subnet.gateway]));
    checkInvariants(lab);
  });

  it('are not ready while their DPU is unreachable, and are again', () => {
    const lab = world();
    for (const dpu of DPUS) {
      expectOnePart(lab, lab.dpu(dpu, { reachable: false }));
    }
    const reasons = () => lab.records('Port').map(({ resource }) => healthOf(present(lab.world, resource)));
    expect(ready(lab).asked).toBe(0);
    expect(new Set(reasons())).toEqual(new Set(['DpuUnreachable']));
    between(lab);
    expect(new Set(reasons())).toEqual(new Set(['DpuUnreachable']));
    retellAll(lab, () => between(lab));
    expect(ready(lab)).toEqual({ asked: 0, stored: 0 });
    for (const dpu of DPUS) lab.dpu(dpu);
    between(lab);
    confirmAll(lab);
    expect(ready(lab)).toEqual({ asked: PORTS + 1, stored: PORTS + 1 });
    checkInvariants(lab);
  });

  it('get their place when what keeps all of them from it is over', () => {
    const lab = new Lab({ ...DEFAULT_WORLD_OPTIONS, toldAtOnce: TOLD_AT_ONCE });
    lab.fleet(DPUS, PORTS_OF_DPU);
    const physical = { vlanRanges: [{ minimum: 100, maximum: 103 }] };
    lab.apply('PhysicalNetwork', 'physnet1', { ...physical, attachments: [] });
    const policy = { networkType: 'VLAN', physicalNetwork: 'physnet1' };
    lab.apply('EncapsulationPolicy', 'default', {
      defaultSegment: { networkType: 'VXLAN' },
      allowed: [{ networkType: 'VXLAN' }, policy],
    });
    lab.apply('Network', 'fabric', { segment: policy });
    for (const dpu of DPUS)
      for (let index = 0; index < PORTS_OF_DPU; index++)
        lab.apply('Port', `web-${dpu}-${index}`, { network: 'fabric', function: identityOf(dpu, index) });
    const placed = () => lab.records('Port').filter(({ resource }) => resource.status.dpu).length;
    expect(placed()).toBe(0);
    const attachments = [{ uplink: 'up1', dpus: DPUS }];
    const attached = lab.apply('PhysicalNetwork', 'physnet1', { ...physical, attachments });
    expectOnePart(lab, attached);
    expect(placed()).toBe(TOLD_AT_ONCE);
    between(lab);
    retellAll(lab, () => between(lab));
    expect(placed()).toBe(PORTS);
    confirmAll(lab);
    checkInvariants(lab);
  });
});

describe.each([
  ['', () => {}],
  [', with restarts in between', (lab: Lab) => lab.restart()],
])('more released values than one decision frees%s', (_, between) => {
  /** Values of all ports that are gone, which one DPU may still have. */
  const released = (): Lab => {
    const lab = world();
    for (const { resource } of lab.records('Port')) lab.delete('Port', resource.metadata.name);
    for (const dpu of ['dpu-1', 'dpu-2']) lab.report(dpu);
    retellAll(lab);
    expect(lab.records('Release').length).toBeGreaterThan(2 * TOLD_AT_ONCE);
    return lab;
  };

  it.each([
    ['the DPU has confirmed', (lab: Lab) => lab.report('dpu-3')],
    ['the DPU is retired', (lab: Lab) => lab.retire('Dpu', 'dpu-3')],
  ])('are free again part by part when %s', (_event, change) => {
    const lab = released();
    expectOnePart(lab, change(lab));
    expect(lab.records('Release').length).toBeGreaterThan(TOLD_AT_ONCE);
    const goOn = (): void => {
      between(lab);
      for (const { name } of lab.records('Dpu')) lab.report(name);
    };
    goOn();
    retellAll(lab, goOn);
    expect(lab.records('Release')).toEqual([]);
    checkInvariants(lab);
  });

  it('are forgotten part by part when their network is deleted', () => {
    const lab = released();
    lab.delete('Subnet', 'blue-v4');
    expectOnePart(lab, lab.delete('Network', 'blue'));
    lab.apply('Network', 'blue', {});
    between(lab);
    retellAll(lab, () => between(lab));
    // A service that starts anew waits for those that have confirmed to the former one, too.
    confirmAll(lab);
    expect(lab.records('Release')).toEqual([]);
    checkInvariants(lab);
  });
});

const healthOf = ({ status }: Port) => findCondition(status.conditions, 'Healthy')?.reason;

describe('a port that is not written yet', () => {
  it('waits for the newest version after a restart, also where it failed before', () => {
    const lab = world();
    const versions = new Map<string, number>();
    for (const dpu of DPUS) {
      const ports = lab.records('Port').filter(({ resource }) => resource.status.dpu === dpu);
      const problems = ports.map(({ resource: { metadata } }) => {
        return { key: `endpoint/${metadata.uid}`, state: 'FAILED' as const, message: 'injected' };
      });
      lab.report(dpu, problems);
      versions.set(dpu, lab.world.documents.sequence(dpu as Name));
    }
    retellAll(lab);
    lab.apply('SecurityPolicy', 'lock', LOCK);
    lab.restart();
    // What they have applied since, and told before they knew of the policy.
    for (const [dpu, sequence] of versions) lab.reportSequence(dpu, sequence);
    // The hop, which the policy does not select, is well now.
    expect(ready(lab).asked).toBeLessThanOrEqual(1);
    confirmAll(lab);
    expect(ready(lab)).toEqual({ asked: PORTS + 1, stored: PORTS + 1 });
    checkInvariants(lab);
  });

  const changed = (): { lab: Lab; name: string } => {
    const lab = world();
    lab.apply('SecurityPolicy', 'lock', LOCK);
    const port = lab.records('Port').find(({ resource }) => isReadyPort(resource));
    if (!port) throw new Error('all are written');
    return { lab, name: port.resource.metadata.name };
  };

  it('is changed upon what callers see of it, and is written by that', () => {
    const { lab, name } = changed();
    const seen = present(lab.world, lab.port(name));
    const { spec, metadata } = seen;
    const { resourceVersion } = metadata;
    const intent = { network: spec.network, function: spec.function, bandwidth: { egressKbps: 1000 } };
    lab.apply('Port', name, intent, { ...WEB, resourceVersion });
    expect(findCondition(lab.port(name).status.conditions, 'Applied')?.reason).toBe('Applying');
    expect(lab.world.unwritten.has(metadata.uid)).toBe(false);
  });

  it('can be deleted, and is not written any more', () => {
    const { lab, name } = changed();
    lab.delete('Port', name);
    const told = retellAll(lab).reduce((one, other) => one + other);
    expect(told).toBe(PORTS - TOLD_AT_ONCE - 1);
    checkInvariants(lab);
  });

  it('is not written by a dry run, nor forgotten', () => {
    const { lab, name } = changed();
    const before = new Map(lab.world.unwritten);
    lab.dryRun({ operation: 'delete', kind: 'Port', tenant: 'acme', name });
    lab.dryRun({ operation: 'delete', kind: 'SecurityPolicy', tenant: 'acme', name: 'lock' });
    expect(lab.world.unwritten).toEqual(before);
    retellAll(lab);
    checkInvariants(lab);
  });
});
