import { AppError, err, ok, type Result } from '@outboard/core';
import { type AnyResource, type KindName, kindOf, type Network, updateConditions } from '@outboard/model';
import type { Command, DomainChange, DomainContext, DomainDecision, ResourceDomain } from '../src/index.js';

/** Networks without any meaning: a domain that is small enough to be looked through. A test says which are ready. */
export class DirectoryDomain implements ResourceDomain {
  readonly api = 'network';
  readonly kinds: readonly KindName[] = ['Network'];
  readonly rowKinds = ['Network'];
  readonly reloads: number[] = [];
  /** Names whose decision ends in a bug, after it has changed the projection. */
  readonly poisoned = new Set<string>();
  /** Networks (`tenant/name`) that wait for something of others: the next decision makes them ready. */
  readonly waiting = new Set<string>();
  /** Makes every resource larger than its intent, as a status can. */
  padding = '';
  readonly #networks = new Map<string, Network>();

  reload(records: Iterable<unknown>, revision: number): void {
    this.reloads.push(revision);
    this.#networks.clear();
    for (const record of records as Iterable<Network>) this.#keep(record);
  }

  decide(command: Command, context: DomainContext): Result<DomainDecision, AppError> {
    const before = this.find(command);
    const refusal = this.#refusal(command, before);
    if (refusal) return err(refusal);
    const after =
      command.operation === 'apply' ? applied(command.intent, before, context, this.padding) : undefined;
    const resource = after ?? before;
    if (!resource) throw new Error('nothing is deleted');
    if (after) this.#keep(after);
    else this.#networks.delete(textOf(resource));
    if (this.poisoned.has(resource.metadata.name)) throw new Error('a bug of the domain');
    const changes = after === before ? [] : [changeOf(before, after)];
    return ok({ resource, changes: [...changes, ...this.#serveWaiting(context)] });
  }

  plan(command: Command, context: DomainContext): Result<unknown, AppError> {
    const before = new Map(this.#networks);
    const decided = this.decide(command, context);
    this.#networks.clear();
    for (const network of before.values()) this.#keep(network);
    return decided.ok ? ok({ changed: decided.value.changes.map(({ key }) => key.name) }) : decided;
  }

  resourceOf(record: unknown): AnyResource {
    return record as Network;
  }

  setReady(tenant: string, name: string, isReady: boolean, context: DomainContext): readonly DomainChange[] {
    const before = this.#networks.get(`${tenant}/${name}`);
    if (!before) return [];
    const after = {
      ...before,
      metadata: { ...before.metadata, resourceVersion: String(context.revision) },
      status: { ...before.status, conditions: conditionsOf(before, isReady, context) },
    };
    this.#keep(after);
    return [changeOf(before, after)];
  }

  /** Every network, in no order that matters. */
  networks(): readonly Network[] {
    return [...this.#networks.values()];
  }

  find(command: Command): Network | undefined {
    const { tenant, name } = command.operation === 'delete' ? command : command.intent.metadata;
    return this.#networks.get(`${tenant}/${name}`);
  }

  #serveWaiting(context: DomainContext): readonly DomainChange[] {
    const served = [...this.waiting].flatMap((text) => {
      const [tenant = '', name = ''] = text.split('/');
      return this.setReady(tenant, name, true, context);
    });
    this.waiting.clear();
    return served;
  }

  #refusal(command: Command, before: Network | undefined): AppError | undefined {
    const isDelete = command.operation === 'delete';
    const existence = isDelete ? 'update' : command.existence;
    if (existence === 'create' && before) return new AppError('ALREADY_EXISTS', 'it exists already');
    if (existence === 'update' && !before) return new AppError('NOT_FOUND', 'it does not exist');
    const expected = isDelete ? command.resourceVersion : command.intent.metadata.resourceVersion;
    if (expected === undefined || expected === before?.metadata.resourceVersion) return undefined;
    return new AppError('ABORTED', `it is at ${before?.metadata.resourceVersion}`, { reason: 'STALE' });
  }

  #keep(network: Network): void {
    this.#networks.set(textOf(network), network);
  }
}

const textOf = ({ metadata }: Network): string => `${metadata.tenant}/${metadata.name}`;

function applied(
  { kind, metadata, spec }: Extract<Command, { operation: 'apply' }>['intent'],
  before: Network | undefined,
  context: DomainContext,
  padding: string,
): Network {
  if (kind !== 'Network') throw new Error(`${kind} is not kept here`);
  const isSame =
    before &&
    JSON.stringify([before.spec, before.metadata.labels]) === JSON.stringify([spec, metadata.labels]);
  if (isSame) return before;
  const { tenant, name, labels } = metadata;
  const created = {
    kind,
    metadata: { tenant, name, uid: before?.metadata.uid ?? context.newUid(), labels, generation: 1 },
    spec,
    status: before?.status ?? (kindOf({ kind }).emptyStatus as Network['status']),
  };
  const generation = (before?.metadata.generation ?? 0) + 1;
  const resourceVersion = String(context.revision);
  const network: Network = { ...created, metadata: { ...created.metadata, generation, resourceVersion } };
  return {
    ...network,
    status: { ...network.status, conditions: conditionsOf(network, false, context, padding) },
  };
}

const conditionsOf = (
  { metadata, status }: Network,
  isReady: boolean,
  { now }: DomainContext,
  message = '',
) =>
  updateConditions(
    'Network',
    status.conditions,
    [{ type: 'Planned', reason: isReady ? 'SegmentAllocated' : 'SegmentQuarantined', message }],
    metadata.generation,
    now,
  );

function changeOf(before: Network | undefined, after: Network | undefined): DomainChange {
  const network = after ?? before;
  if (!network) throw new Error('a change of nothing');
  const { tenant, name } = network.metadata;
  return {
    key: { kind: 'Network', tenant, name },
    record: after && { data: after, indexes: kindOf(after).indexes(after) },
    resource: { before, after },
  };
}
