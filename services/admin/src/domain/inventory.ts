import { AppError, err, ok, type Result } from '@outboard/core';
import type {
  Capability,
  Claim,
  Dpu,
  DpuFunction,
  DpuSpec,
  FunctionSpec,
  FunctionStatus,
  HostName,
  Intent,
  MacAddress,
  Metadata,
  Name,
  Representor,
  SerialNumber,
  Uid,
  Underlay,
} from '@outboard/model';
import {
  computeConditions,
  DEFAULT_POOL,
  findCondition,
  functionIdentityKey,
  functionIdentityOf,
  kindOf,
  SYSTEM_TENANT,
  updateConditions,
} from '@outboard/model';
import { Claims } from './claims.js';

/** What a worker says about its DPU, parsed. */
export interface InventoryFacts {
  readonly incarnation: string;
  readonly serialNumber: SerialNumber;
  readonly host: HostName | undefined;
  readonly workerVersion: string;
  readonly kernelRelease: string;
  readonly architecture: string;
  readonly driver: string;
  readonly capabilities: readonly Capability[];
  readonly underlay: Underlay | undefined;
  readonly functions: readonly FunctionFacts[];
}

/** A function as it was discovered. */
export interface FunctionFacts
  extends Pick<
    FunctionStatus,
    'controller' | 'pfNumber' | 'vfNumber' | 'sfNumber' | 'external' | 'hwAddress' | 'state' | 'opState'
  > {
  readonly pfMacAddress: MacAddress;
  readonly flavour: NonNullable<FunctionStatus['flavour']>;
  readonly attachment: NonNullable<FunctionStatus['attachment']>;
  readonly representor: Representor;
}

/** What deciding needs from outside: who asks for time and names gets them from here. */
export interface DecisionContext {
  /** Revision of the store that the commit will have. */
  readonly revision: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: number;
  newUid(): Uid;
}

/** What must hold for a change, as its caller sees it. */
export interface Preconditions {
  readonly resourceVersion?: string | undefined;
  readonly uid?: Uid | undefined;
}

/** `create`: must not exist yet; `update`: must exist; undefined: either. */
export type Existence = 'create' | 'update' | undefined;

export type AdminResource = Dpu | DpuFunction;

/** One resource before and after a decision; absent: it did not exist, or exists no more. */
export interface AdminChange {
  readonly before: AdminResource | undefined;
  readonly after: AdminResource | undefined;
}

type Decision = Result<readonly AdminChange[], AppError>;

/** Names listed in a refusal; the total is always told. */
const LISTED_USERS = 10;

/** The name of a function: `<dpu>-pf<N>[vf<M>|sf<M>]`, after the kernel's representor names. */
export const functionName = (dpu: string, facts: FunctionFacts): Name => {
  const virtual = facts.vfNumber === undefined ? '' : `vf${facts.vfNumber}`;
  const sub = facts.sfNumber === undefined ? '' : `sf${facts.sfNumber}`;
  const controller = facts.controller === 0 ? '' : `c${facts.controller}`;
  return `${dpu}-${controller}pf${facts.pfNumber}${virtual}${sub}` as Name;
};

/**
 * DPUs and their functions as this service has stored them. Every method decides against the present state, takes its
 * own decision over, and returns what has changed; refusals change nothing.
 */
export class Inventory {
  readonly #dpus = new Map<string, Dpu>();
  readonly #functions = new Map<string, DpuFunction>();
  readonly #claims: Claims;

  constructor(claims: Claims = new Claims()) {
    this.#claims = claims;
  }

  /** Forgets everything and takes these over, as at start. Claims stay: they are not this service's. */
  load(resources: Iterable<AdminResource>): void {
    this.#dpus.clear();
    this.#functions.clear();
    for (const resource of resources) this.#keep({ before: undefined, after: resource });
  }

  dpu(name: string): Dpu | undefined {
    return this.#dpus.get(name);
  }

  dpus(): Iterable<Dpu> {
    return this.#dpus.values();
  }

  find(kind: string, name: string): AdminResource | undefined {
    return (kind === 'Dpu' ? this.#dpus : this.#functions).get(name);
  }

  /** For rehearsals: changes of the copy do not show here. */
  copy(): Inventory {
    const copy = new Inventory(this.#claims);
    copy.load([...this.#dpus.values(), ...this.#functions.values()]);
    return copy;
  }

  applyDpu(intent: Intent<'Dpu', DpuSpec>, context: DecisionContext, existence?: Existence): Decision {
    const before = this.#dpus.get(intent.metadata.name);
    const refusal = checkPreconditions('Dpu', intent.metadata.name, before, intent.metadata, existence);
    if (refusal) return err(refusal);
    const registered = before?.status.serialNumber;
    if (registered && intent.spec.serialNumber && registered !== intent.spec.serialNumber) {
      const rule = `must be ${registered}: that DPU is registered under this name`;
      return err(AppError.invalid([{ field: 'spec.serialNumber', description: rule }]));
    }
    const twin = intent.spec.serialNumber && this.#dpuBySerialNumber(intent.spec.serialNumber);
    if (twin && twin.metadata.name !== intent.metadata.name) return err(serialNumberTaken(twin));
    return ok(this.#applyIntent(before, intent, context));
  }

  applyFunction(
    intent: Intent<'Function', FunctionSpec>,
    context: DecisionContext,
    existence?: Existence,
  ): Decision {
    const before = this.#functions.get(intent.metadata.name);
    const refusal = checkPreconditions('Function', intent.metadata.name, before, intent.metadata, existence);
    if (refusal) return err(refusal);
    return ok(this.#applyIntent(before, intent, context));
  }

  /** Refused while its worker reports, or while a port has bound one of its functions. Its functions go with it. */
  removeDpu(name: string, preconditions: Preconditions = {}): Decision {
    const dpu = this.#dpus.get(name);
    const refusal = checkPreconditions('Dpu', name, dpu, preconditions, 'update');
    if (refusal || !dpu) return err(refusal ?? notFound('Dpu', name));
    if (isConnected(dpu)) {
      const message = `Dpu ${name} is connected; stop its worker first`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'DPU_CONNECTED' }));
    }
    const functions = this.#functionsOf(name);
    const claimed = functions.filter((each) => each.status.claim);
    if (claimed.length > 0) return err(inUse(`Dpu ${name}`, claimed));
    return ok(this.#commit([dpu, ...functions].map((before) => ({ before, after: undefined }))));
  }

  /** Refused while the DPU has it, or while a port has bound it. */
  removeFunction(name: string, preconditions: Preconditions = {}): Decision {
    const found = this.#functions.get(name);
    const refusal = checkPreconditions('Function', name, found, preconditions, 'update');
    if (refusal || !found) return err(refusal ?? notFound('Function', name));
    if (found.status.claim) return err(inUse(`Function ${name}`, [found]));
    if (found.status.state !== undefined) {
      const message = `Function ${name} exists on ${found.status.dpu}; remove it there first`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'FUNCTION_PRESENT' }));
    }
    return ok(this.#commit([{ before: found, after: undefined }]));
  }

  /** A worker's report: registers the DPU, updates it, and makes its functions those that were discovered. */
  register(name: Name, facts: InventoryFacts, context: DecisionContext): Decision {
    const twin = this.#dpuBySerialNumber(facts.serialNumber);
    if (twin && twin.metadata.name !== name) return err(serialNumberTaken(twin));
    const before = this.#dpus.get(name);
    const expected = before?.spec.serialNumber ?? before?.status.serialNumber;
    if (expected !== undefined && expected !== facts.serialNumber) {
      const message = `Dpu ${name} has serial number ${expected}, not ${facts.serialNumber}`;
      return err(new AppError('PERMISSION_DENIED', message, { reason: 'SERIAL_NUMBER_MISMATCH' }));
    }
    const changes = [
      this.#registerDpu(before, name, facts, context),
      ...this.#registerFunctions(name, facts, context),
    ];
    return ok(this.#commit(changes, context.revision));
  }

  /** The lease was renewed. */
  connected(name: string, context: DecisionContext): readonly AdminChange[] {
    return this.#setHealth(name, context, { reason: 'LeaseRenewed', message: 'worker reports' });
  }

  /** The lease has ended without a renewal. */
  expired(name: string, context: DecisionContext): readonly AdminChange[] {
    const message = `lease of ${name} expired: its worker does not report`;
    return this.#setHealth(name, context, { reason: 'LeaseExpired', message });
  }

  /** Ports have bound or released these functions (identities of `claims.ts`). */
  claimsChanged(identities: readonly string[], context: DecisionContext): readonly AdminChange[] {
    const wanted = new Set(identities);
    const changes: AdminChange[] = [];
    for (const before of this.#functions.values()) {
      const identity = functionIdentityOf(before.status);
      if (identity === undefined || !wanted.has(functionIdentityKey(identity))) continue;
      const claim = this.#claims.holderOf(functionIdentityKey(identity));
      if (!sameClaim(before.status.claim, claim)) {
        changes.push({ before, after: { ...before, status: { ...before.status, claim } } });
      }
    }
    return this.#commit(changes, context.revision);
  }

  #registerDpu(
    before: Dpu | undefined,
    name: Name,
    facts: InventoryFacts,
    context: DecisionContext,
  ): AdminChange {
    const { functions, host, ...told } = facts;
    const base: Dpu = before ?? {
      kind: 'Dpu',
      metadata: newMetadata(name, {}, context),
      spec: { serialNumber: undefined, host },
      status: emptyStatus('Dpu') as Dpu['status'],
    };
    const after: Dpu = {
      ...base,
      status: {
        ...base.status,
        ...told,
        functions: functions.length,
        observedGeneration: base.metadata.generation,
        conditions: updateConditions(
          'Dpu',
          base.status.conditions,
          [
            { type: 'Accepted', reason: 'Valid', message: 'registered by its worker' },
            { type: 'Healthy', reason: 'LeaseRenewed', message: 'worker reports' },
          ],
          base.metadata.generation,
          context.now,
        ),
      },
    };
    return { before, after };
  }

  #registerFunctions(dpu: Name, facts: InventoryFacts, context: DecisionContext): AdminChange[] {
    const changes: AdminChange[] = [];
    const present = new Set<string>();
    for (const each of facts.functions) {
      const name = functionName(dpu, each);
      present.add(name);
      const before = this.#functions.get(name);
      changes.push({ before, after: this.#discovered(before, name, dpu, facts, each, context) });
    }
    for (const before of this.#functionsOf(dpu)) {
      if (present.has(before.metadata.name)) continue;
      changes.push({ before, after: before.status.claim ? vanished(before, dpu, context) : undefined });
    }
    return changes;
  }

  #discovered(
    before: DpuFunction | undefined,
    name: Name,
    dpu: Name,
    facts: InventoryFacts,
    discovered: FunctionFacts,
    context: DecisionContext,
  ): DpuFunction {
    const base: DpuFunction = before ?? {
      kind: 'Function',
      metadata: newMetadata(name, {}, context),
      spec: { pool: DEFAULT_POOL },
      status: emptyStatus('Function') as FunctionStatus,
    };
    const { generation } = base.metadata;
    const identity = { serialNumber: facts.serialNumber, ...discovered };
    return {
      ...base,
      status: {
        ...base.status,
        ...discovered,
        dpu,
        serialNumber: facts.serialNumber,
        claim: this.#claims.holderOf(functionIdentityKey(identity)),
        observedGeneration: generation,
        conditions: updateConditions(
          'Function',
          base.status.conditions,
          [
            { type: 'Accepted', reason: 'Valid', message: `discovered on ${dpu}` },
            { type: 'Healthy', reason: 'Discovered', message: `present on ${dpu}` },
          ],
          generation,
          context.now,
        ),
      },
    };
  }

  #setHealth(
    name: string,
    context: DecisionContext,
    health: { reason: 'LeaseRenewed' | 'LeaseExpired'; message: string },
  ): readonly AdminChange[] {
    const before = this.#dpus.get(name);
    if (!before) return [];
    const conditions = updateConditions(
      'Dpu',
      before.status.conditions,
      [{ type: 'Healthy', ...health }],
      before.metadata.generation,
      context.now,
    );
    return this.#commit(
      [{ before, after: { ...before, status: { ...before.status, conditions } } }],
      context.revision,
    );
  }

  #applyIntent<Resource extends AdminResource>(
    before: Resource | undefined,
    intent: Intent<Resource['kind'], Resource['spec']>,
    context: DecisionContext,
  ): readonly AdminChange[] {
    const { name, labels } = intent.metadata;
    const specChanged = before === undefined || !same(before.spec, intent.spec);
    const metadata = before
      ? { ...before.metadata, labels, generation: before.metadata.generation + (specChanged ? 1 : 0) }
      : newMetadata(name, labels, context);
    const status = before?.status ?? emptyStatus(intent.kind);
    const conditions = computeConditions(
      kindOf(intent).reasons,
      status.conditions,
      [{ type: 'Accepted', reason: 'Valid', message: 'valid' }],
      metadata.generation,
      context.now,
    );
    const after = {
      kind: intent.kind,
      metadata,
      spec: intent.spec,
      status: { ...status, observedGeneration: metadata.generation, conditions },
    } as Resource;
    return this.#commit([{ before, after }], context.revision);
  }

  #commit(changes: readonly AdminChange[], revision?: number): readonly AdminChange[] {
    const real = changes
      .filter(({ before, after }) => !same(before, after))
      .map(({ before, after }) => ({ before, after: after && withRevision(after, revision) }));
    for (const change of real) this.#keep(change);
    return real;
  }

  #keep({ before, after }: AdminChange): void {
    const resource = after ?? before;
    if (!resource) return;
    const table: Map<string, AdminResource> = resource.kind === 'Dpu' ? this.#dpus : this.#functions;
    if (after) table.set(resource.metadata.name, after);
    else table.delete(resource.metadata.name);
  }

  #functionsOf(dpu: string): DpuFunction[] {
    return [...this.#functions.values()].filter((each) => each.status.dpu === dpu);
  }

  #dpuBySerialNumber(serialNumber: SerialNumber): Dpu | undefined {
    for (const dpu of this.#dpus.values()) {
      if (dpu.spec.serialNumber === serialNumber || dpu.status.serialNumber === serialNumber) return dpu;
    }
    return undefined;
  }
}

/** Its worker holds its lease. */
export const isConnected = (dpu: Dpu): boolean =>
  findCondition(dpu.status.conditions, 'Healthy')?.status === 'True';

/** A claimed function that its DPU shows no more: kept, so that its holder can be told. */
const vanished = (before: DpuFunction, dpu: Name, context: DecisionContext): DpuFunction => ({
  ...before,
  status: {
    ...before.status,
    state: undefined,
    opState: undefined,
    representor: undefined,
    conditions: updateConditions(
      'Function',
      before.status.conditions,
      [{ type: 'Healthy', reason: 'FunctionVanished', message: `no longer present on ${dpu}` }],
      before.metadata.generation,
      context.now,
    ),
  },
});

const withRevision = <Resource extends AdminResource>(
  resource: Resource,
  revision: number | undefined,
): Resource =>
  revision === undefined
    ? resource
    : { ...resource, metadata: { ...resource.metadata, resourceVersion: String(revision) } };

function checkPreconditions(
  kind: string,
  name: string,
  before: AdminResource | undefined,
  { resourceVersion, uid }: Preconditions,
  existence: Existence,
): AppError | undefined {
  if (!before) {
    if (existence !== 'update' && resourceVersion === undefined && uid === undefined) return undefined;
    return notFound(kind, name);
  }
  if (existence === 'create') {
    return new AppError('ALREADY_EXISTS', `${kind} ${name} exists already`, { reason: 'ALREADY_EXISTS' });
  }
  const { metadata } = before;
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const message = `${kind} ${name} is at resourceVersion ${metadata.resourceVersion}, not ${resourceVersion}`;
    return new AppError('ABORTED', message, { reason: 'STALE' });
  }
  if (uid !== undefined && uid !== metadata.uid) {
    return new AppError('ABORTED', `${kind} ${name} has uid ${metadata.uid}, not ${uid}`, {
      reason: 'STALE',
    });
  }
  return undefined;
}

const newMetadata = (name: Name, labels: Metadata['labels'], context: DecisionContext): Metadata => ({
  tenant: SYSTEM_TENANT,
  name,
  uid: context.newUid(),
  labels,
  generation: 1,
  resourceVersion: '',
});

const emptyStatus = (kind: AdminResource['kind']): AdminResource['status'] =>
  kindOf({ kind }).emptyStatus as AdminResource['status'];

const notFound = (kind: string, name: string): AppError =>
  new AppError('NOT_FOUND', `no ${kind} ${name}`, { reason: 'NOT_FOUND', metadata: { kind, name } });

function inUse(what: string, claimed: readonly DpuFunction[]): AppError {
  const users = claimed.flatMap(({ status: { claim } }) =>
    claim ? [`${claim.kind} ${claim.tenant}/${claim.name}`] : [],
  );
  const listed = users.slice(0, LISTED_USERS).join(', ');
  return new AppError('FAILED_PRECONDITION', `${what} is in use by ${users.length}: ${listed}`, {
    reason: 'IN_USE',
    metadata: { users: listed, total: String(users.length) },
  });
}

const serialNumberTaken = (holder: Dpu): AppError =>
  new AppError('ALREADY_EXISTS', `Dpu ${holder.metadata.name} has this serial number`, {
    reason: 'SERIAL_NUMBER_TAKEN',
    metadata: { holder: holder.metadata.name },
  });

const sameClaim = (left: Claim | undefined, right: Claim | undefined): boolean =>
  left?.tenant === right?.tenant && left?.kind === right?.kind && left?.name === right?.name;

/** Plain data, compared by content; the order of keys is always the same here, as everything is built above. */
const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right);
