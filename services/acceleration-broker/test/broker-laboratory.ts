import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { InProcessBroker, type Received, STREAMS } from '@outboard/bus';
import {
  type AccelerationKey,
  AccelerationObjectSchema,
  type AccelerationSession,
  decodeBinary,
  encodeBinary,
  SessionsHeartbeatRequestSchema,
  type SessionsHeartbeatResponse,
  SessionsHeartbeatResponseSchema,
  subjects,
  type Verb,
} from '@outboard/contracts';
import { ok, systemRandom, unwrap } from '@outboard/core';
import { FakeWorker } from '@outboard/document-owner/testing';
import { findCondition, kindOf, type AccelerationSession as Session, SYSTEM_TENANT } from '@outboard/model';
import { intentConsumer } from '@outboard/resource-service';
import { serveEndpoints, settled } from '@outboard/resource-service/testing';
import { openMemoryStore, type Store } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';
import type { Kind } from '../src/domain/commands.js';
import { AccelerationService } from '../src/index.js';
import { Neighbours } from './neighbours.js';

export interface Event {
  readonly name: string;
  readonly transition: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON as it arrived
  readonly json: any;
}

/** Of its sessions: after so long a worker that is cut off serves none. */
export const LEASE_MILLISECONDS = 8_000;

/** SHA-256 of some token. */
export const TOKEN_SHA256 = 'ab'.repeat(32);

/** Programs that need no key. */
export const COMPRESS = [{ id: 1, steps: [{ operation: 'COMPRESS', algorithm: 'ZSTD' }] }];

export const encryptWith = (key: string) => [
  { id: 1, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key }] },
];

export const sealedTo = (...disks: number[]) =>
  disks.map((disk) => ({
    sealingPublicKey: Buffer.alloc(32, disk).toString('base64'),
    encapsulatedKey: Buffer.alloc(32, 1).toString('base64'),
    ciphertext: Buffer.alloc(48, 2).toString('base64'),
  }));

/** The broker with everything around it: DPUs, ports, workers, callers. */
export class BrokerLaboratory {
  readonly clock = new ManualClock();
  readonly broker = new InProcessBroker({ clock: this.clock });
  readonly bus = this.broker.connect();
  readonly neighbours = new Neighbours(this.bus, this.clock);
  readonly workers = new Map<string, FakeWorker>();
  readonly events: Event[] = [];
  service!: AccelerationService;
  #running: AsyncDisposable[] = [];

  private constructor(public store: Store) {}

  static async open(store: Store = openMemoryStore()): Promise<BrokerLaboratory> {
    const laboratory = new BrokerLaboratory(store);
    unwrap(await laboratory.broker.provision(STREAMS, 'apply'));
    await laboratory.neighbours.serve();
    await laboratory.bus.watch(
      { stream: 'OUTBOARD_EVENT', filterSubject: 'outboard.v1alpha1.event.>', from: 0 },
      { message: (received) => laboratory.#heard(received) },
    );
    await laboratory.start();
    return laboratory;
  }

  async close(): Promise<void> {
    for (const worker of this.workers.values()) await worker.stop();
    await this.stop();
    await this.bus[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }

  async start(): Promise<void> {
    const bus = this.broker.connect();
    const { clock, store } = this;
    const service = new AccelerationService({
      bus,
      store,
      clock,
      random: systemRandom,
      sessionLeaseMilliseconds: LEASE_MILLISECONDS,
    });
    await service.start();
    const of = (channel: Parameters<typeof subjects.allDpus>[0]) => subjects.allDpus(channel, 'acceleration');
    const serving = await serveEndpoints(bus, 'acceleration-broker', {
      [subjects.allRequests('acceleration')]: (request) => service.handleRequest(request),
      [of('sync')]: (request) => service.handleSync(request),
      [of('fetch')]: (request) => service.handleFetch(request),
      [of('observed')]: (request) => service.handleObserved(request),
      [of('heartbeat')]: (request) => service.handleHeartbeat(request),
    });
    const consuming = await bus.consume(intentConsumer('acceleration'), (delivery) =>
      service.handleIntent(delivery),
    );
    this.service = service;
    this.#running = [consuming, serving, service, bus];
    await clock.advance(0);
    await this.quiet();
  }

  async stop(): Promise<void> {
    for (const one of this.#running.splice(0)) await one[Symbol.asyncDispose]();
  }

  /** The process ends and starts again, over the same store or another one. */
  async restart(store: Store = this.store): Promise<void> {
    await this.stop();
    this.store = store;
    await this.start();
  }

  /** DPUs with workers. */
  async dpus(...names: string[]): Promise<void> {
    for (const name of names) {
      await this.neighbours.putDpu(name);
      await this.quiet();
      await this.worker(name);
    }
    await this.quiet();
  }

  async worker(dpu: string): Promise<FakeWorker> {
    const worker = new FakeWorker(this.broker.connect(), dpu, 'acceleration');
    this.workers.set(dpu, worker);
    await worker.start();
    await this.quiet();
    return worker;
  }

  async request(...request: Parameters<BrokerLaboratory['send']>) {
    const answer = await this.send(...request);
    await this.quiet();
    return answer;
  }

  /** As `request`, without waiting for what follows from it. */
  async send(verb: Verb, kind: Kind, body: unknown, tenant = 'acme') {
    const home = kindOf({ kind }).scope === 'system' ? SYSTEM_TENANT : tenant;
    const reply = await this.bus.request(
      subjects.rpc(home, 'acceleration', kind.toLowerCase(), verb),
      { headers: {}, body: Buffer.from(JSON.stringify(body)) },
      { deadlineMilliseconds: 1_000 },
    );
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
  }

  manifest(kind: Kind, name: string, spec: object): object {
    return { apiVersion: 'acceleration.outboard.dev/v1alpha1', kind, metadata: { name }, spec };
  }

  apply(kind: Kind, name: string, spec: object, tenant = 'acme') {
    return this.request('apply', kind, this.manifest(kind, name, spec), tenant);
  }

  /** A session with a token. */
  async session(name: string, spec: object = { programs: COMPRESS }): Promise<Session> {
    unwrap(await this.apply('AccelerationSession', name, { tokenSha256: TOKEN_SHA256, ...spec }));
    return this.found(name);
  }

  found(name: string, tenant = 'acme'): Session {
    const row = this.store.read((snapshot) => snapshot.get({ kind: 'AccelerationSession', tenant, name }));
    if (!row) throw new Error(`there is no session ${name}`);
    return JSON.parse(row.value).record.resource;
  }

  /** `dpu epoch Planned Applied`. */
  where(name: string): string {
    const { dpu = '-', epoch, conditions } = this.found(name).status;
    const reason = (type: 'Planned' | 'Applied') => findCondition(conditions, type)?.reason;
    return `${dpu} ${epoch} ${reason('Planned')} ${reason('Applied')}`;
  }

  message(name: string, type: 'Planned' | 'Applied'): string {
    return findCondition(this.found(name).status.conditions, type)?.message ?? '';
  }

  /** The objects that a worker has. */
  objects(dpu: string): (AccelerationSession | AccelerationKey)[] {
    return [...(this.workers.get(dpu)?.entries.values() ?? [])].flatMap((bytes) => {
      const { object } = unwrap(decodeBinary(AccelerationObjectSchema, bytes));
      return object.value ?? [];
    });
  }

  keyOn(dpu: string): AccelerationKey | undefined {
    return this.objects(dpu).find(
      (object): object is AccelerationKey =>
        object.$typeName === 'outboard.dataplane.v1alpha1.AccelerationKey',
    );
  }

  /** A worker tells of a session. */
  async beat(dpu: string, name: string, connections: number): Promise<void> {
    const { metadata, status } = this.found(name);
    const { epoch } = status;
    await this.heartbeat(dpu, [{ sessionUid: metadata.uid, epoch, connections, completedJobs: 7n }]);
  }

  /** A worker tells what it has applied; for how long it may serve that, milliseconds. */
  async heartbeat(
    dpu: string,
    sessions: MessageInitShape<typeof SessionsHeartbeatRequestSchema>['sessions'] = [],
    stalled = false,
  ): Promise<number> {
    return (await this.tell(dpu, { sessions, stalled })).leaseMilliseconds;
  }

  /** A worker tells this besides what it has applied. */
  async tell(
    dpu: string,
    told: Omit<MessageInitShape<typeof SessionsHeartbeatRequestSchema>, '$typeName'>,
  ): Promise<SessionsHeartbeatResponse> {
    const applied = this.workers.get(dpu)?.version;
    const request = create(SessionsHeartbeatRequestSchema, {
      incarnation: 'boot',
      ...(applied && { applied }),
      ...told,
    });
    const reply = unwrap(
      await this.bus.request(
        subjects.dpu(dpu, 'heartbeat', 'acceleration'),
        { headers: {}, body: encodeBinary(SessionsHeartbeatRequestSchema, request) },
        { deadlineMilliseconds: 1_000 },
      ),
    );
    return unwrap(decodeBinary(SessionsHeartbeatResponseSchema, reply.body));
  }

  /** All leases that were given until now are over, and the broker has noticed it. */
  async leasesEnd(): Promise<void> {
    await this.clock.advance(LEASE_MILLISECONDS * 1.25);
    await this.quiet();
  }

  transitions(name: string): string[] {
    return this.events.filter((event) => event.name === name).map(({ transition }) => transition);
  }

  /** Nothing moves any more, as far as that goes without time passing. */
  async quiet(): Promise<void> {
    await settled();
    for (const worker of this.workers.values()) await worker.idle();
    await settled();
  }

  #heard({ subject, body }: Received): void {
    const [, , , , , , name = '', transition = ''] = subject.split('.');
    this.events.push({ name, transition, json: JSON.parse(Buffer.from(body).toString()) });
  }
}
