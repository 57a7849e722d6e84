import type { IpAddress, TenantName } from '@outboard/model';
import { completeRecord, explain, judge, type StoredRecord, World } from '@outboard/planner';
import type { Batch } from '@outboard/store';
import type { Place } from './place.js';

type Direction = Parameters<typeof judge>[2];
type PortEntry = Parameters<typeof judge>[1];

/** A flow as a switch sees it, whoever sends it. */
export interface TriedFlow {
  readonly source: string;
  readonly destination: string;
  /** Of the pod that has the destination. */
  readonly destinationMac: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

/** What was stored from a revision on. */
interface Version {
  readonly revision: number;
  readonly records: ReadonlyMap<string, StoredRecord>;
  world?: World;
  places?: ReadonlyMap<string, PortEntry>;
}

/** A DPU as far as it is known from what its worker has told. */
interface KnownDpu {
  /** Its switch has what was stored at that revision, or later: its worker has read it back. */
  since: number;
  /** Keys of objects that were taken away behind its worker's back, or never made, changed or removed as it was told. */
  readonly doubtful: Set<string>;
  /** Of those, what its worker has seen not to be there. */
  readonly missed: Set<string>;
}

/**
 * Every state of the store that a switch may still be in, and so what the model of reachability says that its ports may
 * open and accept: what is let through must be allowed by one of the states since that which its worker told of last.
 */
export class ModelHistory {
  readonly #dpus: ReadonlyMap<string, KnownDpu>;
  /** None is forgotten: a worker may begin anew with a document that is older than what it has told of. */
  readonly #versions: Version[] = [{ revision: 0, records: new Map() }];

  constructor(dpus: readonly string[]) {
    this.#dpus = new Map(
      dpus.map((dpu) => [dpu, { since: 0, doubtful: new Set<string>(), missed: new Set<string>() }]),
    );
  }

  // What is told.

  stored({ puts, deletes }: Batch, revision: number): void {
    const records = new Map(this.#latest.records);
    let isNews = false;
    for (const { key, value } of puts) {
      const record = recordOf(value);
      if (record === undefined || !JUDGED_BY.has(record.kind)) continue;
      const before = records.get(textOf(key));
      isNews ||= before === undefined || essenceOf(before) !== essenceOf(record);
      records.set(textOf(key), record);
    }
    for (const key of deletes) isNews = records.delete(textOf(key)) || isNews;
    if (!isNews) return;
    this.#versions.push({ revision, records });
  }

  /** A worker has read back all of what is wanted at that sequence, and has no trouble. */
  applied(dpu: string, sequence: number): void {
    const known = this.#dpu(dpu);
    known.since = Math.max(known.since, sequence);
    for (const key of known.missed) known.doubtful.delete(key);
    known.missed.clear();
  }

  /** A worker begins with what is on its disk: it may want that again, which is older than what it has told of. */
  begins(dpu: string, sequenceOnDisk: number | undefined): void {
    const known = this.#dpu(dpu);
    if (sequenceOnDisk !== undefined) known.since = Math.min(known.since, sequenceOnDisk);
  }

  /** An object on its switch is not what its worker takes it for. */
  doubt(dpu: string, key: string): void {
    this.#dpu(dpu).doubtful.add(key);
  }

  /** A worker has looked at objects that are not there: what it wants of them it makes anew before it tells of anything. */
  missed(dpu: string, isThere: (key: string) => boolean, keys: readonly string[] | undefined): void {
    const { doubtful, missed } = this.#dpu(dpu);
    for (const key of doubtful)
      if (!isThere(key) && (keys === undefined || keys.includes(key))) missed.add(key);
  }

  /** Objects on its switch are as its worker has just made them. */
  made(dpu: string, keys: readonly string[]): void {
    const { doubtful, missed } = this.#dpu(dpu);
    for (const key of keys) {
      doubtful.delete(key);
      missed.delete(key);
    }
  }

  /** There is nothing on its switch. */
  emptied(dpu: string): void {
    const { doubtful, missed } = this.#dpu(dpu);
    doubtful.clear();
    missed.clear();
  }

  // What is asked.

  /** Nothing on these switches is other than their workers believe. */
  isSure(dpus: readonly string[]): boolean {
    return dpus.every((dpu) => this.#dpu(dpu).doubtful.size === 0);
  }

  /** Whether what is stored now lets the port at a place open or accept a flow. */
  allowsNow(place: Place, direction: Direction, flow: TriedFlow): boolean {
    return passes(this.#latest, place, direction, flow);
  }

  /** Whether what is stored now, or was and may be on the switch still, lets the port at a place open or accept a flow. */
  mayPass(place: Place, direction: Direction, flow: TriedFlow): 'now' | 'then' | 'never' {
    const first = this.#firstOf(place.dpu);
    for (let index = this.#versions.length - 1; index >= first; index--) {
      const version = this.#versions[index] as Version;
      if (passes(version, place, direction, flow)) return version === this.#latest ? 'now' : 'then';
    }
    return 'never';
  }

  /** How many states of the store a DPU's switch may be in. */
  spread(dpu: string): number {
    return this.#versions.length - this.#firstOf(dpu);
  }

  /** What becomes of a flow from a port, once every DPU has what is planned. */
  explained(tenant: string, from: string, { source, destination, protocol, port }: TriedFlow) {
    return explain(worldOf(this.#latest), {
      tenant: tenant as TenantName,
      from: from as PortEntry['record']['resource']['metadata']['name'],
      source: source as IpAddress,
      to: { kind: 'address', address: destination as IpAddress },
      protocol,
      service: port,
    });
  }

  get #latest(): Version {
    return this.#versions.at(-1) as Version;
  }

  /** The place of the oldest state that a DPU's switch may be in. */
  #firstOf(dpu: string): number {
    const { since } = this.#dpu(dpu);
    return this.#versions.findLastIndex(({ revision }) => revision <= since);
  }

  #dpu(name: string): KnownDpu {
    const known = this.#dpus.get(name);
    if (known === undefined) throw new Error(`there is no DPU ${name}`);
    return known;
  }
}

function passes(version: Version, place: Place, direction: Direction, flow: TriedFlow): boolean {
  version.places ??= placesOf(worldOf(version));
  const port = version.places.get(placeKey(place));
  const [own, other] =
    direction === 'EGRESS' ? [flow.source, flow.destination] : [flow.destination, flow.source];
  if (port === undefined || port.record.resource.spec.adminState === 'DOWN') return false;
  // A port may send from its own addresses only. What comes to its MAC is judged by whence it comes, whatever it is sent to.
  const { addresses, macAddress } = port.record.resource.status;
  const isItsOwn =
    direction === 'EGRESS' ? addresses.some(({ ip }) => ip === own) : macAddress === flow.destinationMac;
  if (!isItsOwn) return false;
  const { protocol, port: service } = flow;
  return judge(worldOf(version), port, direction, other as IpAddress, { protocol, service }).isAllowed;
}

function worldOf(version: Version): World {
  version.world ??= World.load([...version.records.values()].map(completeRecord), version.revision);
  return version.world;
}

function placesOf(world: World): ReadonlyMap<string, PortEntry> {
  const placed = [...world.ports.values()].flatMap((port): [string, PortEntry][] => {
    const { dpu, representor } = port.record.resource.status;
    if (port.placement === undefined || dpu === undefined || representor === undefined) return [];
    return [[placeKey({ dpu, representor }), port]];
  });
  return new Map(placed);
}

const placeKey = ({ dpu, representor }: Place): string => `${dpu} ${representor}`;
const textOf = ({ kind, tenant, name }: Batch['deletes'][number]): string => `${kind} ${tenant}/${name}`;

/** Kinds of what decides who reaches whom in a simulation. */
const JUDGED_BY: ReadonlySet<string> = new Set<StoredRecord['kind']>([
  'Dpu',
  'Function',
  'Router',
  'Network',
  'Subnet',
  'AddressSet',
  'SecurityPolicy',
  'Port',
]);

/** Rows of the service's own have none. */
const recordOf = (value: string): StoredRecord | undefined =>
  (JSON.parse(value) as { readonly record?: StoredRecord }).record;

/** A record without what is told of its state only. */
function essenceOf(record: StoredRecord): string {
  if (!('resource' in record)) return JSON.stringify(record);
  const { metadata, spec, status } = record.resource;
  const { conditions: _, observedGeneration: __, ...rest } = status as unknown as Record<string, unknown>;
  return JSON.stringify([metadata.uid, metadata.labels, spec, record.kind === 'Port' ? rest : undefined]);
}
