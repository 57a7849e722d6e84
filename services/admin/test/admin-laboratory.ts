import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Bus, InProcessBroker, type Message, STREAMS, type Subscription } from '@outboard/bus';
import {
  decodeBinary,
  encodeBinary,
  HEADERS,
  HeartbeatRequestSchema,
  type HeartbeatResponse,
  HeartbeatResponseSchema,
  InventoryReportSchema,
  subjects,
  type Verb,
} from '@outboard/contracts';
import { AppError, err, ok, type Result, systemRandom, unwrap } from '@outboard/core';
import { FakeWorker } from '@outboard/document-owner/testing';
import {
  type AnyResource,
  type Dpu,
  type DpuFunction,
  type DpuNetworkConfiguration,
  type FunctionPool,
  kindToken,
} from '@outboard/model';
import { serveEndpoints, settled } from '@outboard/resource-service/testing';
import { openMemoryStore, type Store } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';
import type { Approval } from '../src/domain/dpu-lifecycle.js';
import { AdminService } from '../src/index.js';

export const LEASE_MILLISECONDS = 9_000;

type AdminKind = 'Dpu' | 'DpuNetworkConfiguration' | 'Function' | 'FunctionPool';

export type ReportInit = MessageInitShape<typeof InventoryReportSchema>;
type FunctionInit = NonNullable<ReportInit['functions']>[number];

export const PF_MAC_ADDRESS = '08:c0:eb:00:00:01';

/** A virtual function, or the physical one. */
export const functionOf = (vfNumber?: number, more: Partial<FunctionInit> = {}): FunctionInit => ({
  flavour: vfNumber === undefined ? 'PCI_PF' : 'PCI_VF',
  controller: 0,
  pfNumber: 0,
  ...(vfNumber !== undefined && { vfNumber }),
  external: true,
  pfMacAddress: PF_MAC_ADDRESS,
  netdev: vfNumber === undefined ? 'pf0hpf' : `pf0vf${vfNumber}`,
  attachment: 'HOST',
  active: true,
  attached: true,
  ...(more as object),
});

export const reportOf = (serialNumber: string, more: ReportInit = {}): ReportInit => ({
  incarnation: `boot-of-${serialNumber}`,
  serialNumber,
  host: 'host-1.example.org',
  workerVersion: '1.0.0',
  kernelRelease: '6.1.0',
  architecture: 'x86_64',
  driver: 'linux',
  capabilities: [{ name: 'vxlan', available: true }],
  underlay: { device: 'up0', address: '10.255.1.1', mtu: 1500 },
  functions: [functionOf(), functionOf(0), functionOf(1)],
  ...(more as object),
});

export const encodeInventory = (report: ReportInit): Uint8Array =>
  encodeBinary(InventoryReportSchema, create(InventoryReportSchema, report));

/** A port of network-intent as its state tells it. */
export const portOf = (
  name: string,
  binding?: { serialNumber: string; vfNumber?: number; sfNumber?: number },
  tenant = 'acme',
) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: {
    tenant,
    name,
    uid: '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11',
    generation: 1,
    resourceVersion: '1',
  },
  spec: { network: 'blue', ...(binding && { function: { ...binding, pfMacAddress: PF_MAC_ADDRESS } }) },
  status: {},
});

/** What the service's controller does, without NestJS. */
export function serveAdmin(bus: Pick<Bus, 'serve'>, admin: AdminService): Promise<Subscription> {
  const of = (channel: Parameters<typeof subjects.allDpus>[0]) => subjects.allDpus(channel, 'admin');
  return serveEndpoints(bus, 'admin', {
    [subjects.allRequests('admin')]: (request) => admin.handleRequest(request),
    [of('heartbeat')]: (request) => admin.handleHeartbeat(request),
    [of('inventory')]: (request) => admin.handleInventory(request),
    [of('confirm')]: (request) => admin.handleConfirm(request),
    [of('sync')]: (request) => admin.handleSync(request),
    [of('fetch')]: (request) => admin.handleFetch(request),
    [of('observed')]: (request) => admin.handleObserved(request),
    [of('workload')]: (request) => admin.handleWorkload(request),
  });
}

/** The admin service on a bus, with workers and a network-intent service that the test plays. */
export class AdminLaboratory {
  readonly clock = new ManualClock();
  readonly broker = new InProcessBroker({ clock: this.clock });
  readonly bus = this.broker.connect();
  /** Every event as `<resource name> <transition>`. */
  readonly events: string[] = [];
  /** Whose doing each of them is. */
  readonly actors: (string | undefined)[] = [];
  /** What network-intent lists; a failure stands for its absence. */
  ports: Map<string, unknown> | AppError = new Map();
  #admin!: AdminService;
  #running: AsyncDisposable[] = [];
  #ids = 0;

  private constructor(
    readonly store: Store,
    readonly approval: Approval,
  ) {}

  static async open(
    store: Store = openMemoryStore(),
    approval: Approval = 'FIRST_TOUCH',
  ): Promise<AdminLaboratory> {
    const laboratory = new AdminLaboratory(store, approval);
    unwrap(await laboratory.broker.provision(STREAMS, 'apply'));
    await laboratory.bus.watch(
      { stream: 'OUTBOARD_EVENT', filterSubject: 'outboard.v1alpha1.event.>', from: 0 },
      {
        message: ({ subject, headers }) => {
          const [, , , , , , name, transition] = subject.split('.');
          laboratory.events.push(`${name} ${transition}`);
          laboratory.actors.push(headers[HEADERS.actor]);
        },
      },
    );
    await laboratory.#serveNetworkIntent();
    await laboratory.start();
    return laboratory;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.bus[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }

  async start(): Promise<void> {
    const bus = this.broker.connect();
    const { clock, store } = this;
    const admin = new AdminService({
      bus,
      store,
      clock,
      random: systemRandom,
      leaseMilliseconds: LEASE_MILLISECONDS,
      approval: this.approval,
    });
    await admin.start();
    const serving = await serveAdmin(bus, admin);
    this.#admin = admin;
    this.#running = [serving, admin, bus];
    await clock.advance(0);
    await settled();
  }

  async stop(): Promise<void> {
    for (const one of this.#running.splice(0)) await one[Symbol.asyncDispose]();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  get admin(): AdminService {
    return this.#admin;
  }

  /** A worker's report of its inventory. */
  async report(dpu: string, report: ReportInit | Uint8Array): Promise<Result<void, AppError>> {
    const body = report instanceof Uint8Array ? report : encodeInventory(report);
    const reply = await this.#send(subjects.dpu(dpu, 'inventory', 'admin'), body);
    await settled();
    return reply.ok ? ok(undefined) : reply;
  }

  /** A worker's heartbeat; whether its inventory is wanted. */
  async heartbeat(dpu: string, report: ReportInit): Promise<boolean> {
    return unwrap(await this.beat(dpu, report)).inventoryWanted;
  }

  /** A worker's heartbeat, with more than that it is alive. */
  async beat(
    dpu: string,
    report: ReportInit,
    told: MessageInitShape<typeof HeartbeatRequestSchema> = {},
  ): Promise<Result<HeartbeatResponse, AppError>> {
    const request = {
      incarnation: report.incarnation ?? '',
      inventoryDigest: createHash('sha256').update(encodeInventory(report)).digest(),
      ...told,
    };
    const body = encodeBinary(HeartbeatRequestSchema, create(HeartbeatRequestSchema, request));
    const reply = await this.#send(subjects.dpu(dpu, 'heartbeat', 'admin'), body);
    await settled();
    return reply.ok ? decodeBinary(HeartbeatResponseSchema, reply.value.body) : reply;
  }

  async request(verb: Verb, kind: string, body: unknown, tenant = '_') {
    const bytes = Buffer.from(JSON.stringify(body));
    const reply = await this.#send(subjects.rpc(tenant, 'admin', kind, verb), bytes);
    await settled();
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
  }

  apply(kind: AdminKind, name: string, spec: object = {}, metadata: object = {}) {
    const manifest = {
      apiVersion: 'admin.outboard.dev/v1alpha1',
      kind,
      metadata: { name, ...metadata },
      spec,
    };
    return this.request('apply', kindToken({ kind }), manifest);
  }

  remove(kind: string, name: string) {
    return this.request('delete', kind, { name });
  }

  dpu(name: string): Dpu | undefined {
    return this.#stored('Dpu', name) as Dpu | undefined;
  }

  function(name: string): DpuFunction | undefined {
    return this.#stored('Function', name) as DpuFunction | undefined;
  }

  pool(name: string): FunctionPool | undefined {
    return this.#stored('FunctionPool', name) as FunctionPool | undefined;
  }

  network(name: string): DpuNetworkConfiguration | undefined {
    return this.#stored('DpuNetworkConfiguration', name) as DpuNetworkConfiguration | undefined;
  }

  /** A worker that follows the document of its DPU. */
  async follow(dpu: string): Promise<FakeWorker> {
    const worker = new FakeWorker(this.bus, dpu, 'admin');
    await worker.start();
    return worker;
  }

  functionNames(): string[] {
    return this.store
      .read((snapshot) => snapshot.list('Function', { limit: 10_000 }).rows)
      .map(({ key }) => key.name);
  }

  /** Why a DPU or function is healthy or not. */
  health(kind: 'Dpu' | 'Function', name: string): string | undefined {
    return this.#stored(kind, name)?.status.conditions.find(({ type }) => type === 'Healthy')?.reason;
  }

  /** network-intent tells of a port; undefined: it is gone. */
  async publishPort(name: string, port: ReturnType<typeof portOf> | undefined): Promise<void> {
    if (this.ports instanceof Map) {
      if (port) this.ports.set(name, port);
      else this.ports.delete(name);
    }
    const headers = port ? {} : { [HEADERS.operation]: 'delete' };
    const subject = subjects.state({ tenant: 'acme', api: 'network', kind: 'port', name });
    const body = Buffer.from(JSON.stringify(port ?? {}));
    unwrap(await this.bus.publish(subject, { headers, body }, { messageId: `port-${++this.#ids}` }));
    await settled();
  }

  /** Which port has the function, as it is stored. */
  claim(name: string): string | undefined {
    return this.function(name)?.status.claim?.name;
  }

  #stored(kind: AdminKind, name: string): AnyResource | undefined {
    const row = this.store.read((snapshot) => snapshot.get({ kind, tenant: '_', name }));
    return row && JSON.parse(row.value).record;
  }

  #send(subject: string, body: Uint8Array): Promise<Result<Message, AppError>> {
    return this.bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 1_000 });
  }

  #serveNetworkIntent() {
    return this.bus.serve({
      name: 'network-intent',
      version: '1.0.0',
      description: 'lists ports',
      maxInFlight: 10,
      endpoints: [
        {
          name: 'list',
          subject: subjects.rpc('_', 'network', 'port', 'list'),
          handle: async () => {
            if (this.ports instanceof AppError) return err(this.ports);
            const answer = { items: [...this.ports.values()], nextPageToken: '' };
            return ok({ headers: {}, body: Buffer.from(JSON.stringify(answer)) });
          },
        },
      ],
    });
  }
}
