import { expect } from '@jest/globals';
import { DocumentDigest } from '@outboard/contracts';
import {
  allocatableRanges,
  excludedRanges,
  findCondition,
  hostRange,
  type Name,
  rangeContains,
  type SegmentRange,
} from '@outboard/model';
import { capacityOf } from '../src/allocate/subnet-pool.js';
import { admit, askOf } from '../src/decide/admission.js';
import { compileDocument, present, World } from '../src/index.js';
import type { Lab } from './lab.js';
import { expectedDocuments, type ReadableDocuments, readable } from './oracle.js';

/** Every DPU's document as it is compiled for a fetch. */
export function compiledDocuments(world: World): ReadableDocuments {
  const documents: ReadableDocuments = {};
  for (const name of world.dpus.keys()) {
    const { objects, digest } = compileDocument(world, name as Name);
    expect(DocumentDigest.of(objects).equals(digest)).toBe(true);
    documents[name] = Object.fromEntries(objects.map(({ key, object }) => [key, readable(object)]));
  }
  return documents;
}

/** What must hold after any history, once its changes are taken. */
export function checkInvariants(lab: Lab): void {
  const documents = compiledDocuments(lab.world);
  for (const [dpu, document] of Object.entries(documents)) {
    const published = [...(lab.published.get(dpu) ?? [])].map(([key, object]) => [key, readable(object)]);
    expect({ dpu, document: Object.fromEntries(published) }).toEqual({ dpu, document });
  }
  expect(documents).toEqual(expectedDocuments(lab.rows.values()));
  checkStored(lab);
  checkApplied(lab);
  checkClaims(lab);
  checkAdmitted(lab);
  checkAddresses(lab);
  checkPlaced(lab);
  checkTrunks(lab);
}

/** A VLAN is where its parent is, or nowhere; and nobody else has its number. */
function checkTrunks(lab: Lab): void {
  const ports = lab.records('Port').map(({ resource }) => resource);
  const vlans = ports.flatMap((port) => (port.spec.trunk ? [{ port, trunk: port.spec.trunk }] : []));
  const numbers = vlans.map(({ port, trunk }) => `${port.metadata.tenant} ${trunk.parent} ${trunk.vlanId}`);
  expect(new Set(numbers).size).toBe(numbers.length);
  for (const { port, trunk } of vlans) {
    const parent = ports.find(
      ({ metadata }) => metadata.tenant === port.metadata.tenant && metadata.name === trunk.parent,
    );
    expect([port.metadata.name, parent?.spec.trunk]).toEqual([port.metadata.name, undefined]);
    const { dpu, representor } = port.status;
    const isUp = parent?.spec.adminState === 'UP';
    if (dpu !== undefined)
      expect([dpu, representor, isUp]).toEqual([parent?.status.dpu, parent?.status.representor, true]);
    else if (parent?.status.dpu !== undefined && isUp)
      expect(findCondition(port.status.conditions, 'Planned')?.reason).not.toBe('ParentNotConnected');
  }
}

/** Who has which address, by the rows alone; and that what is counted says the same. */
function checkAddresses(lab: Lab): void {
  const holders = new Map<string, string>();
  const held: string[] = [];
  const subnets = new Map(
    lab.records('Subnet').map(({ resource }) => [nameKey(resource.metadata), resource] as const),
  );
  for (const { resource } of lab.records('Port')) {
    const { tenant, name } = resource.metadata;
    for (const { subnet: subnetName, ip } of resource.status.addresses) {
      const key = nameKey({ tenant, name: subnetName });
      const subnet = subnets.get(key);
      if (!subnet) throw new Error(`${name} has an address of ${key}, which is not there`);
      const { spec, status } = subnet;
      const where = `${tenant}/${spec.network} ${ip}`;
      expect([where, holders.get(where)]).toEqual([where, undefined]);
      holders.set(where, name);
      expect([ip, rangeContains(hostRange(spec.cidr), ip), ip === status.gateway]).toEqual([ip, true, false]);
      expect([ip, excludedRanges(spec).some((range) => rangeContains(range, ip))]).toEqual([ip, false]);
      const reservation = spec.reservations.find((each) => each.ip === ip);
      if (reservation) expect([ip, reservation.port]).toEqual([ip, name]);
      if (allocatableRanges(spec).some((range) => rangeContains(range, ip))) held.push(key);
    }
  }
  for (const [key, subnet] of subnets) {
    const { capacity } = present(lab.world, subnet).status;
    if (!capacity) throw new Error(`${key} has no capacity`);
    const { total, used, reserved, quarantined, free } = capacity;
    expect([key, used]).toEqual([key, held.filter((each) => each === key).length]);
    expect(used + reserved + quarantined + free).toBe(total);
    expect(Math.min(total, used, reserved, quarantined, free)).toBeGreaterThanOrEqual(0);
  }
}

const nameKey = ({ tenant, name }: { readonly tenant: string; readonly name: string }): string =>
  `${tenant}/${name}`;

/** The policy in force allows what networks ask for, whatever became of policies since. */
function checkAdmitted(lab: Lab): void {
  for (const { resource } of lab.records('Network')) {
    const { metadata } = resource;
    const asked = askOf(resource);
    const policy = lab.world.encapsulationPolicies.inForceFor(metadata.tenant);
    expect([policy.name, asked, admit(policy, asked).ok]).toEqual([policy.name, asked, true]);
  }
}

/** No status that callers see claims more than the workers have reported. */
export function checkClaims(lab: Lab): void {
  for (const { resource } of lab.records('Port')) {
    const { status, metadata } = present(lab.world, resource);
    const { propagated } = status;
    expect(propagated === undefined).toBe(status.dpu === undefined);
    if (status.dpu === undefined) {
      expect(findCondition(status.conditions, 'Applied')?.reason).toBe('NotPlanned');
      continue;
    }
    const has = (dpu: string): boolean => {
      const key = `${dpu === status.dpu ? 'endpoint' : 'remoteendpoint'}/${metadata.uid}`;
      const applied = lab.applied.get(dpu)?.get(key);
      const wanted = lab.published.get(dpu)?.get(key);
      return applied !== undefined && wanted !== undefined && Buffer.compare(applied, wanted) === 0;
    };
    const network = lab.world.networks.get(`${metadata.tenant}/${resource.spec.network}`);
    const members = [...(network?.members.keys() ?? [])];
    const concerned = network?.physical ? members.filter((dpu) => dpu === status.dpu) : members;
    expect(propagated?.total).toBe(concerned.length);
    expect(propagated?.applied).toBeLessThanOrEqual(concerned.filter(has).length);
    for (const dpu of concerned) if (!has(dpu)) expect(propagated?.lagging).toContain(dpu);
    if (findCondition(status.conditions, 'Applied')?.status === 'True') {
      expect(has(status.dpu)).toBe(true);
      expect(lab.problems.get(status.dpu)).not.toContain(`endpoint/${metadata.uid}`);
    }
  }
}

/** No status of what callers have placed claims more than the workers have reported. */
function checkPlaced(lab: Lab): void {
  for (const { resource } of lab.records('NetlinkObject')) {
    const { metadata, status } = resource;
    const entry = lab.world.netlinkObjects.get(`${metadata.tenant}/${metadata.name}`);
    const planned = findCondition(status.conditions, 'Planned');
    expect([planned?.reason, planned?.message]).toEqual([entry?.place.reason, entry?.place.message]);
    if (findCondition(status.conditions, 'Applied')?.status !== 'True') continue;
    for (const [dpu, { key, object }] of entry?.place.objects ?? []) {
      const { name } = dpu.record;
      expect(lab.problems.get(name) ?? new Set()).not.toContain(key);
      expect(Buffer.compare(lab.applied.get(name)?.get(key) ?? Buffer.alloc(0), object)).toBe(0);
    }
  }
}

/** The store has what the world has, and a world made from the store is the same. */
function checkStored(lab: Lab): void {
  const again = World.load(lab.rows.values(), lab.revision + 1, lab.options);
  expect(summaryOf(again)).toEqual(summaryOf(lab.world));
  expect(compiledDocuments(again)).toEqual(compiledDocuments(lab.world));
}

const LOWEST = [
  ['VXLAN', undefined, 4096, 9999],
  ['GENEVE', undefined, 4096, 9999],
  ['VLAN', 'physnet1', 100, 103],
  ['FLAT', 'physnet1', 0, 0],
];

/** Everything in a world that is a function of the records. */
export function summaryOf(world: World): unknown {
  const records = [
    ...[...world.networks.values(), ...world.subnets.values(), ...world.ports.values()],
    ...[...world.policies.addressSets.values(), ...world.policies.policies.values()],
    ...[...world.dpus.values(), ...world.releases.values(), ...world.physicalNetworks.values()],
    ...[...world.retentions.values()].map((record) => ({ record })),
    ...[...world.routers.values(), ...world.netlinkObjects.values()],
  ].flatMap(({ record }) => record ?? []);
  const networks = [...world.networks.values()].map((network) => ({
    name: network.record.resource.metadata.name,
    addresses: [...network.addresses.keys()].sort(),
    macAddresses: [...network.macAddresses.keys()].sort(),
    quarantinedAddresses: [...network.quarantinedAddresses.values()].sort(),
    quarantinedMacAddresses: [...network.quarantinedMacAddresses.values()].sort(),
    members: [...network.members].map(([name, { ports }]) => `${name}:${ports.size}`).sort(),
    lowest: [...network.subnets.values()].map(({ pool }) => pool.lowest() ?? 'none').sort(),
    capacity: [...network.subnets.values()].map((subnet) => Object.values(capacityOf(subnet)).join()).sort(),
    allocated: [...network.subnets.values()].map(({ allocated }) => allocated).sort(),
  }));
  return JSON.parse(
    JSON.stringify({
      encapsulationPolicies: [...world.encapsulationPolicies.values()]
        .map((record) => JSON.stringify(record, sorted))
        .sort(),
      records: records.map((record) => JSON.stringify(record, sorted)).sort(),
      functions: [...world.functions.values()].map((record) => JSON.stringify(record, sorted)).sort(),
      networks: networks.sort((left, right) => (left.name < right.name ? -1 : 1)),
      routers: [...world.routers.values()]
        .map(({ key, hosts, networks }) => [
          key,
          networks.size,
          [...hosts].map(([name, { ports }]) => `${name}:${ports}`).sort(),
        ])
        .sort(),
      policies: [...world.policies.policies.values()]
        .map(({ record, ports, namedBy, groups, places }) =>
          [
            record.resource.metadata.name,
            ...[ports, namedBy].map((set) =>
              [...set]
                .map((port) => port.record.resource.metadata.name)
                .sort()
                .join(),
            ),
            groups
              .map(({ id }) => id)
              .sort()
              .join(),
            [...places]
              .map(([key, place]) => `${key} ${place.ports}`)
              .sort()
              .join(),
          ].join('; '),
        )
        .sort(),
      netlinkObjects: [...world.netlinkObjects.values()]
        .map(({ record, place: { reason, message, objects } }) => [
          record.resource.metadata.name,
          reason,
          message,
          [...objects].map(([dpu, { key }]) => `${dpu.record.name} ${key}`).sort(),
        ])
        .sort(),
      bindings: [...world.bindings.keys()].sort(),
      lowest: LOWEST.map(([networkType, physicalNetwork, minimum, maximum]) =>
        world.segments.lowest({ networkType, physicalNetwork, minimum, maximum } as SegmentRange),
      ),
    }),
  );
}

/** Objects with their fields in order, so that equal ones are equal texts. */
const sorted = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
    : value;

/**
 * What quarantine is for: however far the workers lag behind, no address of a network means two ports and no segment
 * two networks, on whatever DPUs.
 */
export function checkApplied(lab: Lab): void {
  const meanings = new Map<string, Set<unknown>>();
  const mean = (what: string, holder: unknown) => {
    const known = meanings.get(what) ?? new Set();
    meanings.set(what, known.add(holder));
  };
  for (const document of lab.applied.values()) {
    for (const object of document.values()) {
      const { bridgeDomain, endpoint, remoteEndpoint } = readable(object) as Record<
        string,
        Record<string, unknown> | undefined
      >;
      if (bridgeDomain) {
        const { networkUid, networkType = 'VXLAN', vni, vlanId, uplink = '' } = bridgeDomain;
        mean(`${networkType} ${vni ?? vlanId ?? ''} ${uplink}`, networkUid);
      }
      const port = endpoint ?? remoteEndpoint;
      if (!port) continue;
      mean(`${port.networkUid} ${port.macAddress}`, port.portUid);
      for (const ip of (port.ipAddresses as string[] | undefined) ?? [])
        mean(`${port.networkUid} ${ip}`, port.portUid);
    }
  }
  const ambiguous = [...meanings].filter(([, holders]) => holders.size > 1);
  expect(ambiguous).toEqual([]);
}
