import type { OperationResult } from '../driver.js';
import { DONE, missing } from '../handlers.js';
import { type DeleteOperation, type Handler, type Observed, type PutOperation } from './handler.js';
import type { Refusal } from './openflow/client.js';
import {
  addBucket,
  addGroup,
  changeGroup,
  describeGroups,
  type Group,
  type Message,
  readGroups,
  removeBucket,
  removeGroup,
} from './openflow/messages.js';
import { type BucketSpec, bucketKey, type GroupSpec, groupKey } from './realise/ovs-objects.js';
import type { Switch } from './switch.js';

/** Up to so many groups are asked for one by one. */
const SINGLE_REQUESTS = 64;
/** OFPET_GROUP_MOD_FAILED with OFPGMFC_GROUP_EXISTS, UNKNOWN_GROUP, UNKNOWN_BUCKET, BUCKET_EXISTS. */
const REFUSED = { GROUP_EXISTS: '6.0', UNKNOWN_GROUP: '6.8', UNKNOWN_BUCKET: '6.16', BUCKET_EXISTS: '6.15' };

/** What is told of an operation when one of its messages is refused; undefined: that was no failure. */
type Judgement = (refusal: Refusal) => OperationResult | undefined;

/** Groups and the buckets in those that copy. All that the integration bridge has are ours. */
export class Groups implements Handler {
  constructor(private readonly vswitch: Switch) {}

  async put(operations: readonly PutOperation[]): Promise<readonly OperationResult[]> {
    const { names } = this.vswitch;
    return this.#send(
      operations.map(({ object: { spec }, action }) => {
        if (spec.kind === 'bucket') {
          const bucket = { id: spec.id, weight: 0, actions: spec.actions };
          const replace = action === 'update' ? [removeBucket(spec.group, spec.id)] : [];
          return [...replace, addBucket(spec.group, bucket, names)];
        }
        const { id, type, ways = [] } = spec as GroupSpec;
        const buckets = ways.map((way, index) => ({ id: index, ...way }));
        const group: Group = { id, type, buckets };
        // One that copies is changed only by its buckets; a change of all of it would take them away.
        if (type === 'all' && action === 'create') return [addGroup(group, names)];
        return [...(action === 'create' ? [addGroup(group, names)] : []), changeGroup(group, names)];
      }),
      (operation) => (refusal) => {
        const spec = operations[operation]?.object.spec;
        if (refusal.code === REFUSED.GROUP_EXISTS || refusal.code === REFUSED.BUCKET_EXISTS) return undefined;
        if (refusal.code === REFUSED.UNKNOWN_BUCKET) return undefined;
        return refusal.code === REFUSED.UNKNOWN_GROUP && spec?.kind === 'bucket'
          ? missing(groupKey(spec.group))
          : failed(refusal);
      },
    );
  }

  async remove(operations: readonly DeleteOperation[]): Promise<readonly OperationResult[]> {
    return this.#send(
      operations.map(({ observed }) =>
        observed.kind === 'bucket'
          ? [removeBucket(observed.group, observed.id)]
          : [removeGroup((observed as GroupSpec).id)],
      ),
      () => (refusal) =>
        refusal.code === REFUSED.UNKNOWN_GROUP || refusal.code === REFUSED.UNKNOWN_BUCKET
          ? undefined
          : failed(refusal),
    );
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly Observed[]> {
    const wanted = keys === 'all' ? undefined : new Set(keys);
    const found = (await this.#describe(wanted)).flatMap(observed);
    return wanted === undefined ? found : found.filter(({ key }) => wanted.has(key));
  }

  async #describe(wanted: ReadonlySet<string> | undefined): Promise<Group[]> {
    const { client, names } = this.vswitch;
    const ids = new Set([...(wanted ?? [])].map((key) => Number(key.split('/')[1])));
    const requests =
      wanted === undefined || ids.size > SINGLE_REQUESTS
        ? [describeGroups()]
        : [...ids].map((id) => describeGroups(id));
    const answers = await Promise.all(requests.map((request) => client.request(request)));
    return answers.flat().flatMap((part) => readGroups(part, names));
  }

  async #send(
    messages: readonly (readonly Message[])[],
    judge: (operation: number) => Judgement,
  ): Promise<OperationResult[]> {
    const results: OperationResult[] = messages.map(() => DONE);
    const owners = messages.flatMap((own, operation) => own.map(() => operation));
    for (const refusal of await this.vswitch.client.send(messages.flat())) {
      const operation = owners[refusal.index] ?? 0;
      const result = judge(operation)(refusal);
      if (result !== undefined) results[operation] = result;
    }
    return results;
  }
}

const failed = ({ code, message }: Refusal): OperationResult => ({
  kind: 'failed',
  error: { code, message },
});

function observed({ id, type, buckets }: Group): Observed[] {
  const key = groupKey(id);
  const ownership = { kind: 'owned' } as const;
  if (type === 'select') {
    const ways = buckets.map(({ weight, actions }) => ({ weight, actions }));
    return [{ key, spec: { kind: 'group', id, type, ways }, ownership }];
  }
  return [
    { key, spec: { kind: 'group', id, type }, ownership },
    ...buckets.map(
      (bucket): Observed => ({
        key: bucketKey(id, bucket.id),
        spec: { kind: 'bucket', group: id, id: bucket.id, actions: bucket.actions } satisfies BucketSpec,
        ownership,
        within: key,
      }),
    ),
  ];
}
