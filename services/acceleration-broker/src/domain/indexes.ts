import { type LaneName, laneOf, OPERATIONS } from '@outboard/acceleration/programs';
import { findCondition, inFlightMebibytes, type Name } from '@outboard/model';
import { ANY_DPU } from './departures.js';
import { Groups } from './groups.js';
import { keyObjectKey, sessionObjectKey } from './objects.js';
import { type KeyRecord, nameKey, nameKeyOf, type SessionRecord, type StoredRecord } from './records.js';

/** What a tenant has. */
export interface Usage {
  readonly sessions: number;
  readonly keys: number;
  readonly weight: number;
  readonly inFlightMebibytes: number;
}

/** What a DPU has to share: sessions, and the sum of their weights in each lane. */
export interface Load {
  readonly sessions: number;
  readonly weight: Readonly<Record<LaneName, number>>;
}

const NO_USAGE: Usage = { sessions: 0, keys: 0, weight: 0, inFlightMebibytes: 0 };
const NO_LOAD: Load = { sessions: 0, weight: { LIGHT: 0, HEAVY: 0 } };

/** What decisions have to find quickly; follows from the records. Sessions and keys are named by `nameKey`. */
export class Indexes {
  readonly sessionsByDpu = new Groups();
  /** By the DPU that they leave; `ANY_DPU`: nobody knows which one. */
  readonly sessionsLeaving = new Groups();
  readonly sessionsByKey = new Groups();
  readonly sessionsByProfile = new Groups();
  readonly sessionsByPort = new Groups();
  /** By pod: those whose holder names a pod and no port. */
  readonly sessionsByPod = new Groups();
  /** By the pod that they were made for. */
  readonly portsByPod = new Groups();
  /** Keys that are one session's. */
  readonly keysBySession = new Groups();
  /** Sessions that want something else than they have. */
  readonly unsatisfied = new Set<string>();
  /** DPUs by the key that is sealed to them. */
  readonly dpusBySealingKey = new Groups();
  /** Sessions and keys by what their objects in documents are called. */
  readonly owners = new Map<string, string>();
  readonly #usage = new Map<string, Usage>();
  readonly #loads = new Map<string, Load>();
  /** How many sessions on a DPU name a key. */
  readonly #keyPlaces = new Map<string, Map<Name, number>>();

  usage(tenant: string): Usage {
    return this.#usage.get(tenant) ?? NO_USAGE;
  }

  load(dpu: string): Load {
    return this.#loads.get(dpu) ?? NO_LOAD;
  }

  /** Of the DPU that a session is on, but for that session. */
  loadBeside(record: SessionRecord): Load {
    const { dpu = '', policy } = record.resource.status;
    const { sessions, weight } = this.load(dpu);
    const lanes = lanesOf(record);
    const beside = (lane: LaneName): number => weight[lane] - (lanes.has(lane) ? (policy?.weight ?? 0) : 0);
    return { sessions: sessions - 1, weight: { LIGHT: beside('LIGHT'), HEAVY: beside('HEAVY') } };
  }

  /** DPUs with sessions that name the key. */
  dpusOfKey(key: string): readonly Name[] {
    return [...(this.#keyPlaces.get(key)?.keys() ?? [])];
  }

  add(record: StoredRecord): void {
    this.#count(record, 1);
  }

  remove(record: StoredRecord): void {
    this.#count(record, -1);
  }

  #count(record: StoredRecord, sign: 1 | -1): void {
    if (record.kind === 'AccelerationSession') this.#countSession(record, sign);
    if (record.kind === 'AccelerationKey') this.#countKey(record, sign);
    if (record.kind === 'Port' && record.pod !== undefined) {
      const port = nameKey(record.tenant, record.name);
      this.#group(this.portsByPod, nameKey(record.tenant, record.pod), port, sign);
    }
    if (record.kind === 'Dpu' && record.accelerator) {
      this.#group(this.dpusBySealingKey, record.accelerator.sealingPublicKey, record.name, sign);
    }
  }

  #countSession(record: SessionRecord, sign: 1 | -1): void {
    const { metadata, spec, status } = record.resource;
    const { tenant } = metadata;
    const session = nameKeyOf(record);
    this.#own(sessionObjectKey(metadata.uid), session, sign);
    if (spec.profile) this.#group(this.sessionsByProfile, nameKey(tenant, spec.profile), session, sign);
    const { port, pod } = spec.holder;
    if (port) this.#group(this.sessionsByPort, nameKey(tenant, port), session, sign);
    else if (pod) this.#group(this.sessionsByPod, nameKey(tenant, pod), session, sign);
    for (const name of Object.keys(record.keys)) {
      const key = nameKey(tenant, name);
      this.#group(this.sessionsByKey, key, session, sign);
      if (status.dpu) this.#countPlace(key, status.dpu, sign);
    }
    const isSatisfied = findCondition(status.conditions, 'Planned')?.status === 'True';
    if (sign === 1 && !isSatisfied) this.unsatisfied.add(session);
    else this.unsatisfied.delete(session);
    if (record.leaving) this.#group(this.sessionsLeaving, record.leaving.dpu ?? ANY_DPU, session, sign);
    const weight = status.policy?.weight ?? 0;
    const bytes = status.policy ? inFlightMebibytes(status.policy) : 0;
    this.#use(tenant, { sessions: sign, keys: 0, weight: sign * weight, inFlightMebibytes: sign * bytes });
    if (status.dpu) {
      this.#group(this.sessionsByDpu, status.dpu, session, sign);
      this.#burden(status.dpu, sign, sign * weight, lanesOf(record));
    }
  }

  #countKey(record: KeyRecord, sign: 1 | -1): void {
    const { metadata, spec } = record.resource;
    const { tenant } = metadata;
    this.#own(keyObjectKey(metadata.uid), nameKeyOf(record), sign);
    if (spec.session) {
      this.#group(this.keysBySession, nameKey(tenant, spec.session), nameKeyOf(record), sign);
    }
    this.#use(tenant, { sessions: 0, keys: sign, weight: 0, inFlightMebibytes: 0 });
  }

  #own(object: string, owner: string, sign: 1 | -1): void {
    if (sign === 1) this.owners.set(object, owner);
    else this.owners.delete(object);
  }

  #group(groups: Groups, group: string, member: string, sign: 1 | -1): void {
    if (sign === 1) groups.add(group, member);
    else groups.remove(group, member);
  }

  #use(tenant: string, more: Usage): void {
    const before = this.usage(tenant);
    this.#usage.set(tenant, {
      sessions: before.sessions + more.sessions,
      keys: before.keys + more.keys,
      weight: before.weight + more.weight,
      inFlightMebibytes: before.inFlightMebibytes + more.inFlightMebibytes,
    });
  }

  #burden(dpu: string, sessions: number, weight: number, lanes: ReadonlySet<LaneName>): void {
    const before = this.load(dpu);
    const inLane = (lane: LaneName): number => before.weight[lane] + (lanes.has(lane) ? weight : 0);
    this.#loads.set(dpu, {
      sessions: before.sessions + sessions,
      weight: { LIGHT: inLane('LIGHT'), HEAVY: inLane('HEAVY') },
    });
  }

  #countPlace(key: string, dpu: Name, sign: 1 | -1): void {
    const places = this.#keyPlaces.get(key) ?? new Map<Name, number>();
    const count = (places.get(dpu) ?? 0) + sign;
    if (count > 0) places.set(dpu, count);
    else places.delete(dpu);
    if (places.size > 0) this.#keyPlaces.set(key, places);
    else this.#keyPlaces.delete(key);
  }
}

/** Lanes in which a session has jobs. */
function lanesOf({ resource: { status } }: SessionRecord): ReadonlySet<LaneName> {
  const operations = status.programs.flatMap(({ steps }) => steps.map(({ operation }) => operation));
  return new Set(OPERATIONS.filter((operation) => operations.includes(operation)).map(laneOf));
}
