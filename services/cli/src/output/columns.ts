import { type KindName, kindToken, type ResourceJson } from '@outboard/model';
import { ABSENT, conditionOf, creationTime, formatAge, fullName, textOf, valueAt } from './values.js';

export interface Column {
  readonly header: string;
  cell(resource: ResourceJson, now: number): string;
}

interface KindColumns {
  readonly usual: readonly Column[];
  /** Besides, in wide tables. */
  readonly wide: readonly Column[];
}

const at = (header: string, path: string): Column => ({
  header,
  cell: (resource) => textOf(valueAt(resource, path)),
});

/** How long ago that was. */
const age = (header: string, path: string): Column => ({
  header,
  cell: (resource, now) => {
    const time = valueAt(resource, path);
    return typeof time === 'string' ? formatAge(now - Date.parse(time)) : ABSENT;
  },
});

/** A number that JSON leaves out when it is 0. */
const count = (header: string, path: string): Column => ({
  header,
  cell: (resource) => textOf(valueAt(resource, path) ?? 0),
});

/** What a part of the resource says, when it is there. */
const part = (header: string, path: string, say: (value: unknown) => string): Column => ({
  header,
  cell: (resource) => {
    const value = valueAt(resource, path);
    return value === undefined ? ABSENT : say(value);
  },
});

const listed = (header: string, path: string, field: string): Column =>
  part(header, path, (values) =>
    textOf(Array.isArray(values) ? values.map((value) => valueAt(value, field)) : values),
  );

const SEGMENT = part('SEGMENT', 'status.segment', (segment) =>
  ['networkType', 'segmentationId', 'physicalNetwork']
    .flatMap((field) => valueAt(segment, field) ?? [])
    .map(textOf)
    .join(':'),
);

const PROPAGATED = part('PROPAGATED', 'status.propagated', (propagated) =>
  [valueAt(propagated, 'applied') ?? 0, valueAt(propagated, 'total') ?? 0].join('/'),
);

/** How much of what there may be. */
const used = (header: string, path: string, most: string): Column => ({
  header,
  cell: (resource) => `${textOf(valueAt(resource, path) ?? 0)}/${textOf(valueAt(resource, most) ?? 0)}`,
});

/** What is worth seeing of each kind; a kind without an entry has name, readiness and age. */
const KIND_COLUMNS: Readonly<Partial<Record<KindName, KindColumns>>> = {
  Dpu: {
    usual: [
      at('STATE', 'status.lifecycle.state'),
      age('SINCE', 'status.lifecycle.since'),
      at('SERIAL-NUMBER', 'status.serialNumber'),
      at('HOST', 'spec.host'),
      at('DRIVER', 'status.driver'),
      at('UNDERLAY', 'status.underlay.address'),
      part('FUNCTIONS', 'status', (status) =>
        [valueAt(status, 'usedFunctions') ?? 0, valueAt(status, 'functions') ?? 0].join('/'),
      ),
    ],
    wide: [
      at('STATE-REASON', 'status.lifecycle.reason'),
      at('DEADLINE', 'status.lifecycle.deadline'),
      at('STUCK', 'status.lifecycle.stuck'),
      listed('UPLINKS', 'status.uplinks', 'device'),
      at('CPU-FREE', 'status.freeCapacity.cpuMillicores'),
      at('MEMORY-FREE', 'status.freeCapacity.memoryMebibytes'),
      at('MTU', 'status.underlay.mtu'),
      at('ARCHITECTURE', 'status.architecture'),
      at('KERNEL', 'status.kernelRelease'),
      at('WORKER', 'status.workerVersion'),
      at('INCARNATION', 'status.incarnation'),
    ],
  },
  DpuNetworkConfiguration: {
    usual: [count('GENERATION', 'metadata.generation'), count('CONFIRMED', 'status.confirmedGeneration')],
    wide: [listed('DEVICES', 'spec.interfaces', 'device'), listed('ROUTES', 'spec.routes', 'destination')],
  },
  FunctionPool: {
    usual: [
      at('ATTACHMENT', 'spec.attachment'),
      count('DPUS', 'status.dpus'),
      count('TOTAL', 'status.total'),
      count('USED', 'status.used'),
      count('FREE', 'status.free'),
    ],
    wide: [
      at('FLAVOUR', 'spec.flavour'),
      count('MINIMUM-FREE', 'spec.minimumFree'),
      count('MAXIMUM', 'spec.maximum'),
    ],
  },
  Function: {
    usual: [
      at('DPU', 'status.dpu'),
      at('FLAVOUR', 'status.flavour'),
      at('REPRESENTOR', 'status.representor.netdev'),
      at('POOL', 'spec.pool'),
      part('BOUND-BY', 'status.claim', (claim) =>
        fullName({
          tenant: textOf(valueAt(claim, 'tenant')),
          kind: kindToken({ kind: textOf(valueAt(claim, 'kind')) }),
          name: textOf(valueAt(claim, 'name')),
        }),
      ),
    ],
    wide: [
      at('SERIAL-NUMBER', 'status.serialNumber'),
      at('PF-MAC-ADDRESS', 'status.pfMacAddress'),
      at('VF', 'status.vfNumber'),
      at('SF', 'status.sfNumber'),
      at('MAC-ADDRESS', 'status.hwAddress'),
      at('STATE', 'status.state'),
      at('ATTACHMENT', 'status.attachment'),
    ],
  },
  Workload: {
    usual: [
      at('STATE', 'status.state'),
      at('DPU', 'status.dpu'),
      count('RESTARTS', 'status.restarts'),
      part('INTERFACES', 'status.interfaces', (published) =>
        Array.isArray(published) && published.length > 0
          ? published.map((each) => textOf(valueAt(each, 'name'))).join(',')
          : ABSENT,
      ),
    ],
    wide: [
      at('CPU', 'spec.resources.cpuMillicores'),
      at('MEMORY', 'spec.resources.memoryMebibytes'),
      at('LAST-END', 'status.lastTermination.reason'),
      at('RUNTIME', 'status.isolation.runtime'),
    ],
  },
  WorkloadConfiguration: {
    usual: [
      at('WORKLOAD', 'spec.workload'),
      at('INTERFACE', 'spec.interface'),
      at('VERSION', 'status.interfaceVersion'),
      count('APPLIED', 'status.appliedGeneration'),
      at('DPU', 'status.dpu'),
    ],
    wide: [],
  },
  Router: {
    usual: [
      at('SOURCE-NAT', 'spec.externalGateway.sourceNat'),
      count('NETWORKS', 'status.networks'),
      count('DPUS', 'status.dpus'),
    ],
    wide: [],
  },
  NetlinkObject: {
    usual: [
      part(
        'TYPE',
        'spec',
        (spec) => ['route', 'neigh', 'fdb', 'addr'].find((type) => valueAt(spec, type)) ?? ABSENT,
      ),
      part('PLACE', 'spec', (spec) => textOf(valueAt(spec, 'network') ?? valueAt(spec, 'router'))),
      count('DPUS', 'status.dpus'),
    ],
    wide: [],
  },
  PhysicalNetwork: {
    usual: [at('MTU', 'spec.mtu'), count('DPUS', 'status.dpus'), count('NETWORKS', 'status.networks')],
    wide: [],
  },
  EncapsulationPolicy: {
    usual: [
      at('FOR', 'spec.tenant'),
      at('DEFAULT', 'spec.defaultSegment.networkType'),
      listed('ALLOWED', 'spec.allowed', 'networkType'),
    ],
    wide: [],
  },
  Network: {
    usual: [at('ROUTER', 'spec.router'), SEGMENT, at('MTU', 'status.mtu'), count('PORTS', 'status.ports')],
    wide: [],
  },
  Subnet: {
    usual: [
      at('NETWORK', 'spec.network'),
      at('CIDR', 'spec.cidr'),
      at('GATEWAY', 'status.gateway'),
      count('ALLOCATED', 'status.allocated'),
      count('FREE', 'status.capacity.free'),
    ],
    wide: [
      count('TOTAL', 'status.capacity.total'),
      count('RESERVED', 'status.capacity.reserved'),
      count('QUARANTINED', 'status.capacity.quarantined'),
    ],
  },
  AddressSet: {
    usual: [count('POLICIES', 'status.policies')],
    wide: [],
  },
  SecurityPolicy: {
    usual: [
      at('TIER', 'spec.tier'),
      at('PRIORITY', 'spec.priority'),
      count('PORTS', 'status.ports'),
      count('DPUS', 'status.dpus'),
    ],
    wide: [],
  },
  AccelerationQuota: {
    usual: [
      used('SESSIONS', 'status.sessions', 'spec.maxSessions'),
      used('KEYS', 'status.keys', 'spec.maxKeys'),
      used('WEIGHT', 'status.weight', 'spec.maxWeight'),
    ],
    wide: [used('IN-FLIGHT-MIB', 'status.inFlightMebibytes', 'spec.maxInFlightMebibytes')],
  },
  AccelerationProfile: {
    usual: [listed('PROGRAMS', 'spec.programs', 'id'), count('SESSIONS', 'status.sessions')],
    wide: [],
  },
  AccelerationKey: {
    usual: [
      at('ALGORITHM', 'spec.algorithm'),
      listed('VERSIONS', 'spec.versions', 'version'),
      count('SESSIONS', 'status.sessions'),
    ],
    wide: [at('SESSION', 'spec.session'), PROPAGATED],
  },
  AccelerationSession: {
    usual: [
      at('DPU', 'status.dpu'),
      count('EPOCH', 'status.epoch'),
      at('OFFLOAD', 'status.offload.granted'),
      count('WEIGHT', 'status.policy.weight'),
    ],
    wide: [
      at('PROFILE', 'spec.profile'),
      at('PORT', 'spec.holder.port'),
      at('POD', 'spec.holder.pod'),
      at('EXPIRES', 'status.expiresAt'),
    ],
  },
  ServiceChain: {
    usual: [
      at('FAILURE-MODE', 'spec.failureMode'),
      listed('HOPS', 'spec.hops', 'name'),
      count('PORTS', 'status.ports'),
      count('DPUS', 'status.dpus'),
    ],
    wide: [],
  },
  Port: {
    usual: [
      at('NETWORK', 'spec.network'),
      listed('ADDRESSES', 'status.addresses', 'ip'),
      at('DPU', 'status.dpu'),
      at('REPRESENTOR', 'status.representor'),
    ],
    wide: [
      part('TRUNK', 'spec.trunk', (trunk) =>
        ['parent', 'vlanId'].map((field) => textOf(valueAt(trunk, field))).join(':'),
      ),
      at('MAC-ADDRESS', 'status.macAddress'),
      SEGMENT,
      at('MTU', 'status.mtu'),
      at('ADMIN', 'spec.adminState'),
      part('OFFLOAD', 'status.offload', (offload) => textOf(valueAt(offload, 'state'))),
      PROPAGATED,
    ],
  },
};

const READINESS: readonly Column[] = [
  { header: 'READY', cell: (resource) => textOf(conditionOf(resource, 'Ready')?.status) },
  { header: 'REASON', cell: (resource) => textOf(conditionOf(resource, 'Ready')?.reason) },
];

const AGE: Column = {
  header: 'AGE',
  cell: (resource, now) => {
    const created = creationTime(resource);
    return created === undefined ? ABSENT : formatAge(now - created);
  },
};

export interface TableOptions {
  readonly wide: boolean;
  readonly withTenant: boolean;
}

/** The columns of a table of resources of that kind. */
export function columnsOf(kind: KindName, { wide, withTenant }: TableOptions): readonly Column[] {
  const particular = KIND_COLUMNS[kind];
  return [
    ...(withTenant ? [at('TENANT', 'metadata.tenant')] : []),
    at('NAME', 'metadata.name'),
    ...READINESS,
    ...(particular?.usual ?? []),
    AGE,
    ...(wide ? [...(particular?.wide ?? []), at('LABELS', 'metadata.labels')] : []),
  ];
}

export const headerOf = (columns: readonly Column[]): readonly string[] =>
  columns.map(({ header }) => header);

export const rowOf = (columns: readonly Column[], resource: ResourceJson, now: number): readonly string[] =>
  columns.map(({ cell }) => cell(resource, now));
