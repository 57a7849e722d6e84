import { expect, it } from '@jest/globals';
import {
  type AccelerationKey,
  AccelerationObjectSchema,
  type AccelerationSession,
  decodeBinary,
} from '@outboard/contracts';
import { type Random, systemRandom, unwrap, uuidv7 } from '@outboard/core';
import {
  type AccelerationSession as AccelerationSessionResource,
  decodeResource,
  type KindName,
  type Name,
  parseManifest,
  type Uid,
} from '@outboard/model';
import type { Command, DomainChange, DomainContext } from '@outboard/resource-service';
import fc from 'fast-check';
import { AccelerationDomain } from '../src/domain/acceleration-domain.js';
import type { Kind } from '../src/domain/commands.js';
import { COMPRESS, encryptWith, sealedTo, TOKEN_SHA256 } from './broker-laboratory.js';
import { dpuOf, portOf } from './neighbours.js';

const DPUS = ['dpu-a', 'dpu-b', 'dpu-c'] as const;
const random: Random = systemRandom;
const START = 1_700_000_000_000;
/** Of ports of one name: from before everything, and of later times. */
const PORT_UIDS = [-1, 5, 10, 20].map((seconds) => uuidv7(START + seconds * 1_000, random));

/** A domain with the rows that its changes make: what a store has. */
class Model {
  readonly rows = new Map<string, unknown>();
  readonly domain = new AccelerationDomain();
  revision = 1;
  /** By the uid of a key: prefixes, each with the DPU, disk and secret that had it. */
  readonly prefixes = new Map<string, string>();
  readonly epochs = new Map<string, number>();

  constructor() {
    this.domain.reload([], 0);
  }

  /** A second with each commit: what only time tells happens as well. */
  get now(): number {
    return START + this.revision * 1_000;
  }

  context(): DomainContext {
    const now = this.now;
    return { revision: this.revision, now, newUid: () => uuidv7(now, random) as Uid };
  }

  apply(kind: Kind, name: string, spec: object): void {
    const manifest = {
      apiVersion: 'acceleration.outboard.dev/v1alpha1',
      kind,
      metadata: { ...(kind !== 'AccelerationQuota' && { tenant: 'acme' }), name },
      spec,
    };
    this.command({ operation: 'apply', intent: unwrap(parseManifest(manifest)) });
  }

  delete(kind: Kind, name: string): void {
    const tenant = kind === 'AccelerationQuota' ? '_' : 'acme';
    this.command({ operation: 'delete', kind, tenant, name });
  }

  /** Dry first: that must change nothing. */
  command(command: Command): void {
    const before = this.digests();
    this.domain.plan(command, this.context());
    expect(this.digests()).toEqual(before);
    const decided = this.domain.decide(command, this.context());
    if (decided.ok) this.store(decided.value.changes);
    this.commit();
  }

  project(kind: KindName, tenant: string, name: string, resource: object | undefined): void {
    const decoded = resource && unwrap(decodeResource(JSON.stringify(resource)));
    this.store(this.domain.project([{ kind, tenant, name, resource: decoded }]));
    this.commit();
  }

  observe(dpu: string): void {
    const { sequence } = this.domain.documentHead(dpu as Name);
    this.domain.observe({ dpu: dpu as Name, sequence, problems: [], problemTotal: 0 });
    this.commit();
  }

  /** Has those looked at whose port does not come any more, as the process does now and then. */
  lookForPorts(): void {
    for (const session of this.domain.sessions()) this.domain.lookForPort(session, this.now);
  }

  settle(): void {
    while (this.domain.isUnsettled) {
      this.store(this.domain.settle(this.context()));
      this.commit();
    }
  }

  /** Whether a session, if it is for a port, is not one of a port that is gone. */
  isOfPort({ metadata }: AccelerationSessionResource): boolean {
    const row = (kind: string, name: string) =>
      this.rows.get(`${kind}/acme/${name}`) as { readonly uid?: string; readonly bound?: { uid: string } };
    const { bound } = row('AccelerationSession', metadata.name);
    return bound === undefined || bound.uid === row('Port', 'web')?.uid;
  }

  digests(): readonly string[] {
    return DPUS.map((dpu) => Buffer.from(this.domain.documentHead(dpu as Name).digest).toString('hex'));
  }

  /** What another process would have made of what is stored. */
  reloaded(): AccelerationDomain {
    const other = new AccelerationDomain();
    // As JSON keeps it.
    other.reload(JSON.parse(JSON.stringify([...this.rows.values()])), this.revision);
    return other;
  }

  commit(): void {
    this.domain.takeDocumentChanges(this.revision++);
    this.#look();
  }

  store(changes: readonly DomainChange[]): void {
    for (const { key, record } of changes) {
      const row = Object.values(key).join('/');
      if (record) this.rows.set(row, record.data);
      else this.rows.delete(row);
    }
  }

  /** No prefix has two owners, no epoch falls. */
  #look(): void {
    for (const dpu of DPUS) {
      for (const { object } of this.domain.compileDocument(dpu as Name).objects) {
        const { case: kind, value } = unwrap(decodeBinary(AccelerationObjectSchema, object)).object;
        if (kind === 'key') this.#lookAtKey(dpu, value);
        if (kind === 'session') this.#lookAtSession(value);
      }
    }
  }

  #lookAtKey(dpu: string, { keyUid, versions }: AccelerationKey): void {
    for (const { version, noncePrefix, material } of versions) {
      const secret = material.case === 'sealed' ? Buffer.from(material.value.encapsulatedKey) : 'made';
      const owner = `${dpu} ${version} ${secret.toString('hex')}`;
      const prefix = `${keyUid} ${noncePrefix}`;
      expect(this.prefixes.get(prefix) ?? owner).toBe(owner);
      this.prefixes.set(prefix, owner);
    }
  }

  #lookAtSession({ sessionUid, epoch }: AccelerationSession): void {
    expect(epoch).toBeGreaterThanOrEqual(this.epochs.get(sessionUid) ?? 1);
    this.epochs.set(sessionUid, epoch);
  }
}

/** What can happen, as data: so that a failure shows it. */
type Step =
  | readonly ['apply', Kind, string, object]
  | readonly ['delete', Kind, string]
  | readonly ['project', 'Dpu' | 'Port', string, string, object | undefined]
  | readonly ['observe', string]
  | readonly ['lookForPorts']
  | readonly ['settle'];

const run = (model: Model, [what, ...args]: Step): void =>
  (model[what] as (...values: readonly unknown[]) => void).apply(model, args);

const names = fc.constantFrom('x', 'y', 'z');
const dpuName = fc.constantFrom(...DPUS);

const session = fc
  .record({
    name: names,
    body: fc.oneof(
      fc.constant({ programs: COMPRESS }),
      names.map((key) => ({ programs: encryptWith(key) })),
      names.map((profile) => ({ profile })),
    ),
    policy: fc.record({
      affinity: fc.constantFrom('DPU', 'HOST', 'ANY'),
      weight: fc.integer({ min: 1, max: 4 }),
    }),
    more: fc.constantFrom<object>({}, { holder: { port: 'web' } }, { dpu: 'dpu-b' }),
    token: fc.constantFrom<object>({}, { tokenSha256: TOKEN_SHA256 }),
  })
  .map(
    ({ name, body, policy, more, token }): Step => [
      'apply',
      'AccelerationSession',
      name,
      { ...body, ...more, ...token, policy },
    ],
  );

const keyVersion = fc
  .record({
    version: fc.integer({ min: 1, max: 3 }),
    material: fc.oneof(
      dpuName.map((generatedOn) => ({ generatedOn })),
      fc.subarray([1, 2, 3, 4], { minLength: 1 }).map((disks) => ({ sealed: sealedTo(...disks) })),
    ),
  })
  .map(({ version, material }) => ({ version, state: 'DECRYPT_ONLY', ...material }));

const key = fc
  .record({
    name: names,
    bound: fc.constantFrom<object>({}, {}, { session: 'x' }),
    versions: fc.uniqueArray(keyVersion, { maxLength: 3, selector: ({ version }) => version }),
  })
  .map(
    ({ name, bound, versions }): Step => [
      'apply',
      'AccelerationKey',
      name,
      { algorithm: 'AES_256_GCM', ...bound, versions },
    ],
  );

const profile = fc
  .record({ name: names, weight: fc.integer({ min: 1, max: 9 }), of: fc.option(names) })
  .map(({ name, weight, of }): Step => {
    const programs = of === null ? COMPRESS : encryptWith(of);
    return ['apply', 'AccelerationProfile', name, { programs, policy: { weight } }];
  });

const removal = fc
  .tuple(fc.constantFrom<Kind>('AccelerationSession', 'AccelerationKey', 'AccelerationProfile'), names)
  .map(([kind, name]): Step => ['delete', kind, name]);

const quota = fc
  .record({ maxSessions: fc.nat(4), maxKeys: fc.nat(4), maxWeight: fc.nat(12) })
  .map((spec): Step => ['apply', 'AccelerationQuota', 'acme', spec]);

const dpu = fc
  .record({
    name: dpuName,
    disk: fc.integer({ min: 1, max: 4 }),
    host: fc.constantFrom('one', 'two'),
    isConnected: fc.boolean(),
    desired: fc.constantFrom('READY' as const, 'MAINTENANCE' as const),
    isGone: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0),
  })
  .map(
    ({ name, isGone, ...options }): Step => [
      'project',
      'Dpu',
      '_',
      name,
      isGone ? undefined : dpuOf(name, options),
    ],
  );

const port = fc
  .record({
    place: fc.option(dpuName, { nil: undefined }),
    uid: fc.constantFrom(...PORT_UIDS),
    isGone: fc.integer({ min: 0, max: 3 }).map((chance) => chance === 0),
  })
  .map(
    ({ place, uid, isGone }): Step => [
      'project',
      'Port',
      'acme',
      'web',
      isGone ? undefined : portOf('acme', 'web', place, {}, uid),
    ],
  );

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: session, weight: 5 },
  { arbitrary: key, weight: 4 },
  profile,
  removal,
  quota,
  { arbitrary: dpu, weight: 4 },
  { arbitrary: port, weight: 2 },
  fc.constant<Step>(['lookForPorts']),
  dpuName.map((name): Step => ['observe', name]),
  { arbitrary: fc.constant<Step>(['settle']), weight: 3 },
);

it('whatever happens: another process makes the same of what is stored, nothing is settled twice, no nonce prefix and no epoch comes again', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const model = new Model();
      for (const each of steps) run(model, each);
      model.settle();
      // Nobody waits for a port any more.
      model.revision += 10;
      model.lookForPorts();
      model.settle();
      for (const each of model.domain.sessions()) expect(model.isOfPort(each)).toBe(true);
      const other = model.reloaded();
      const digest = (domain: AccelerationDomain, name: string) =>
        Buffer.from(domain.documentHead(name as Name).digest).toString('hex');
      for (const name of DPUS)
        expect([name, digest(other, name)]).toEqual([name, digest(model.domain, name)]);
      // What is wanted is what there is: only what a process does not know yet of workers is another.
      other.settle(model.context());
      other.takeDocumentChanges(model.revision + 1);
      for (const name of DPUS)
        expect([name, digest(other, name)]).toEqual([name, digest(model.domain, name)]);
      expect(other.find('AccelerationQuota', '_', 'acme')?.status).toEqual(
        model.domain.find('AccelerationQuota', '_', 'acme')?.status,
      );
    }),
    { numRuns: 60 },
  );
});
