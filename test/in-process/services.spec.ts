import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AdminService } from '@outboard/admin';
import { type Bus, type Endpoint, InProcessBroker, STREAMS } from '@outboard/bus';
import { HEADERS, subjects, type Verb } from '@outboard/contracts';
import { ok, systemRandom, unwrap } from '@outboard/core';
import { createEngine, MemoryDriver, MemoryKernel } from '@outboard/dataplane';
import { createDataplaneWorker, type DataplaneWorker } from '@outboard/dataplane-worker';
import { NetworkIntentService } from '@outboard/network-intent';
import { intentConsumer } from '@outboard/resource-service';
import { openMemoryStore } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';

const LEASE_MILLISECONDS = 9_000;
const PF_MAC_ADDRESS = '08:c0:eb:8a:d7:8a';
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

type Handler = Endpoint['handle'];

/** Everything of an installation but the kernel and the network, in one process and on one clock. */
class Installation {
  readonly clock = new ManualClock();
  readonly broker = new InProcessBroker({ clock: this.clock });
  readonly bus = this.broker.connect();
  readonly directory = mkdtempSync(join(tmpdir(), 'outboard-in-process-'));
  readonly stores = { admin: openMemoryStore(), network: openMemoryStore() };
  readonly kernels = new Map<string, MemoryKernel>();
  readonly #running = new Map<string, AsyncDisposable[]>();
  #ids = 0;

  async open(): Promise<void> {
    unwrap(await this.broker.provision(STREAMS, 'apply'));
    await this.startAdmin();
    await this.startNetworkIntent();
  }

  async close(): Promise<void> {
    for (const name of [...this.#running.keys()].reverse()) await this.stop(name);
    rmSync(this.directory, { recursive: true });
  }

  async startAdmin(): Promise<void> {
    const { clock } = this;
    const bus = this.broker.connect();
    const admin = new AdminService({
      bus,
      store: this.stores.admin,
      clock,
      random: systemRandom,
      leaseMilliseconds: LEASE_MILLISECONDS,
    });
    await admin.start();
    await this.#serve('admin', bus, admin, {
      [subjects.allRequests('admin')]: (request) => admin.handleRequest(request),
      [subjects.allDpus('heartbeat', 'admin')]: (request) => admin.handleHeartbeat(request),
      [subjects.allDpus('observed', 'admin')]: (request) => admin.handleInventory(request),
    });
  }

  async startNetworkIntent(): Promise<void> {
    const { clock } = this;
    const bus = this.broker.connect();
    const network = new NetworkIntentService({
      bus,
      store: this.stores.network,
      clock,
      random: systemRandom,
    });
    await network.start();
    await bus.consume(intentConsumer('network'), (delivery) => network.handleIntent(delivery));
    await this.#serve('network-intent', bus, network, {
      [subjects.allRequests('network')]: (request) => network.handleRequest(request),
      [subjects.allDpus('sync', 'network')]: (request) => network.handleSync(request),
      [subjects.allDpus('fetch', 'network')]: (request) => network.handleFetch(request),
      [subjects.allDpus('observed', 'network')]: (request) => network.handleObserved(request),
    });
  }

  async startWorker(dpu: string, number: number): Promise<DataplaneWorker> {
    const { clock } = this;
    const owners = ['network'];
    const kernel = this.kernels.get(dpu) ?? new MemoryKernel();
    if (!this.kernels.has(dpu)) for (const index of [0, 1, 2]) kernel.plug(`pf0vf${index}`);
    this.kernels.set(dpu, kernel);
    const underlay = { device: 'up0', address: `10.255.0.${number}`, mtu: 1600 };
    const driver = new MemoryDriver({ dpu, kernel, underlay });
    const bus = this.broker.connect();
    const worker = await createDataplaneWorker({
      identity: {
        dpu,
        serialNumber: `SN-${dpu}`,
        host: 'host-1',
        pfMacAddress: PF_MAC_ADDRESS,
        incarnation: `boot-of-${dpu}`,
        workerVersion: '1.0.0',
        kernelRelease: '6.1.0',
        architecture: 'x86_64',
      },
      owners,
      dataDirectory: join(this.directory, dpu),
      driver,
      engine: createEngine({ driver, owners, clock, random: systemRandom }),
      bus: Promise.resolve(bus),
      clock,
      random: systemRandom,
      log: SILENT,
    });
    this.#running.set(dpu, [worker, bus]);
    return worker;
  }

  /** A process ends in order; what it stored and what it did to the kernel stays. */
  async stop(name: string): Promise<void> {
    const parts = this.#running.get(name) ?? [];
    this.#running.delete(name);
    let isDone = false;
    const stopped = (async () => {
      for (const part of parts) await part[Symbol.asyncDispose]();
    })().then(() => {
      isDone = true;
    });
    await this.until(() => isDone);
    await stopped;
  }

  async publish(kind: string, name: string, spec: object | undefined, tenant = 'acme'): Promise<void> {
    const manifest = {
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind,
      metadata: { tenant, name },
      spec,
    };
    const subject = subjects.intent({ tenant, api: 'network', kind: kind.toLowerCase(), name });
    const message = {
      headers: spec ? {} : { [HEADERS.operation]: 'delete' },
      body: Buffer.from(spec ? JSON.stringify(manifest) : ''),
    };
    unwrap(await this.bus.publish(subject, message, { messageId: `id-${++this.#ids}` }));
  }

  async request(tenant: string, api: 'admin' | 'network', kind: string, verb: Verb, body: object) {
    const reply = await this.bus.request(
      subjects.rpc(tenant, api, kind, verb),
      { headers: {}, body: Buffer.from(JSON.stringify(body)) },
      { deadlineMilliseconds: 60_000 },
    );
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
  }

  /** `Ready` of a port: status and reason. */
  async ready(name: string): Promise<string | undefined> {
    const port = await this.request('acme', 'network', 'port', 'get', { name });
    if (!port.ok) return undefined;
    const { conditions = [] } = port.value.status;
    const { status, reason } = conditions.find(({ type }: { type: string }) => type === 'Ready') ?? {};
    return `${status} ${reason}`;
  }

  /** Lets time pass until it has come true. */
  async until(look: () => boolean | Promise<boolean>): Promise<void> {
    for (let step = 0; step < 3_000; step++) {
      if (await look()) return;
      // Files are written in the background: several turns of the event loop for a little of the clock's time.
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      await this.clock.advance(20);
    }
    throw new Error(`it did not come true: ${look}`);
  }

  async #serve(
    name: string,
    bus: Bus,
    service: AsyncDisposable,
    handlers: Readonly<Record<string, Handler>>,
  ): Promise<void> {
    const endpoints = Object.entries(handlers).map(([subject, handle], index) => ({
      name: `endpoint-${index}`,
      subject,
      handle,
    }));
    const serving = await bus.serve({
      name,
      version: '1.0.0',
      description: name,
      maxInFlight: 1_000,
      endpoints,
    });
    this.#running.set(name, [serving, service, bus]);
  }
}

describe('admin, network-intent and workers in one process', () => {
  let installation: Installation;
  beforeEach(async () => {
    installation = new Installation();
    await installation.open();
    await installation.startWorker('dpu-1', 1);
    await installation.startWorker('dpu-2', 2);
    await installation.publish('Network', 'blue', {});
    await installation.publish('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.1.0/24' });
  });
  afterEach(() => installation.close());

  const at = (dpu: string, vfNumber: number) => ({
    network: 'blue',
    function: { serialNumber: `SN-${dpu}`, pfMacAddress: PF_MAC_ADDRESS, vfNumber },
  });
  const isReady = (name: string) => async (): Promise<boolean> =>
    (await installation.ready(name)) === 'True AppliedAndReadBack';
  const objects = (dpu: string): string[] => installation.kernels.get(dpu)?.keys().sort() ?? [];

  it('a port that was asked for before its DPU registered is ready once the kernel has it; admin knows the claim', async () => {
    const bare = objects('dpu-1');
    await installation.publish('Port', 'web-0', at('dpu-1', 0));
    await installation.publish('Port', 'web-1', at('dpu-2', 0));
    await installation.until(isReady('web-0'));
    await installation.until(isReady('web-1'));
    expect(objects('dpu-1').length).toBeGreaterThan(bare.length);
    await installation.until(async () => {
      const found = unwrap(
        await installation.request('_', 'admin', 'function', 'get', { name: 'dpu-1-pf0vf0' }),
      );
      return found.status.claim?.name === 'web-0';
    });
    expect(
      await installation.request('_', 'admin', 'function', 'delete', { name: 'dpu-1-pf0vf0' }),
    ).toMatchObject({ error: { reason: 'IN_USE', metadata: { users: 'port acme/web-0' } } });
    await installation.publish('Port', 'web-0', undefined);
    await installation.until(() => objects('dpu-1').length === bare.length);
  });

  it('a worker that ends makes its ports not ready, the kernel stays, and a new worker adopts it', async () => {
    await installation.publish('Port', 'web-0', at('dpu-1', 0));
    await installation.until(isReady('web-0'));
    const held = objects('dpu-1');
    await installation.stop('dpu-1');
    await installation.until(async () => (await installation.ready('web-0')) === 'Unknown DpuUnreachable');
    expect(objects('dpu-1')).toEqual(held);
    await installation.startWorker('dpu-1', 1);
    await installation.until(isReady('web-0'));
    expect(objects('dpu-1')).toEqual(held);
  });

  it('services may start again in any order, one without the other: nothing is lost', async () => {
    await installation.publish('Port', 'web-0', at('dpu-1', 0));
    await installation.until(isReady('web-0'));
    const held = objects('dpu-1');
    await installation.stop('admin');
    await installation.stop('network-intent');
    await installation.publish('Port', 'web-1', at('dpu-2', 1));
    await installation.startNetworkIntent();
    // What it knows of DPUs and functions is stored: it plans without admin.
    await installation.until(isReady('web-1'));
    await installation.startAdmin();
    await installation.until(isReady('web-0'));
    expect(objects('dpu-1')).toEqual(expect.arrayContaining(held));
    const dpus = unwrap(await installation.request('_', 'admin', 'dpu', 'list', {}));
    expect(dpus.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual([
      'dpu-1',
      'dpu-2',
    ]);
  });

  describe('layer 1', () => {
    const list = (tenant: string, body: object) => {
      const answer = installation.request(tenant, 'network', 'layer1', 'list', body);
      let isDone = false;
      void answer.then(() => {
        isDone = true;
      });
      return installation.until(() => isDone).then(() => answer);
    };
    const sourcesOf = (items: readonly { claims?: readonly { source: object }[] }[]) =>
      new Set(
        items.flatMap(({ claims = [] }) => claims.map(({ source }) => Object.values(source).join('/'))),
      );

    beforeEach(async () => {
      await installation.publish('Network', 'blue', {}, 'globex');
      await installation.publish('Port', 'web-0', at('dpu-1', 0));
      await installation.publish('Port', 'db-0', at('dpu-1', 1), 'globex');
      await installation.until(isReady('web-0'));
      const kernel = installation.kernels.get('dpu-1') as MemoryKernel;
      await installation.until(() => JSON.stringify(kernel.get('link/pf0vf1')?.spec).includes('"up":true'));
    });

    it('shows each tenant what its own intents have become, and everything to who may ask for all', async () => {
      const acme = unwrap(await list('acme', { dpu: 'dpu-1' }));
      const globex = unwrap(await list('globex', { dpu: 'dpu-1' }));
      const all = unwrap(await list('_', { dpu: 'dpu-1' }));
      expect(sourcesOf(acme.items)).toEqual(
        new Set(['Router/acme/default', 'Network/acme/blue', 'Port/acme/web-0']),
      );
      expect(sourcesOf(globex.items)).toEqual(
        new Set(['Router/globex/default', 'Network/globex/blue', 'Port/globex/db-0']),
      );
      expect(all.items).toHaveLength(acme.items.length + globex.items.length);
      expect(acme.items.map(({ state }: { state: string }) => state)).toEqual(
        acme.items.map(() => 'APPLIED'),
      );
    });

    it('selects by type and by fields, and pages through all there is', async () => {
      const selection = { dpu: 'dpu-1', type: 'link', fieldSelector: 'source.kind=Port,state!=FAILED' };
      const whole = unwrap(await list('_', selection));
      expect(sourcesOf(whole.items)).toEqual(new Set(['Port/acme/web-0', 'Port/globex/db-0']));
      expect(whole.items[0]).toMatchObject({ type: 'link', wanted: { ifname: expect.any(String) } });
      const paged: object[] = [];
      for (let pageToken = ''; pageToken !== 'last'; ) {
        const { items, nextPageToken = 'last' } = unwrap(
          await list('_', { ...selection, pageSize: 1, pageToken }),
        );
        expect(items).toHaveLength(1);
        paged.push(...items);
        pageToken = nextPageToken;
      }
      expect(paged).toEqual(whole.items);
    });

    it('refuses what makes no sense, all at once; a token of another list, a DPU that there is not', async () => {
      const hostile = { dpu: 'DPU', fieldSelector: 'color=red', pageSize: 501, pageToken: 'x' };
      expect(await list('acme', hostile)).toMatchObject({
        error: {
          code: 'INVALID_ARGUMENT',
          violations: ['dpu', 'pageSize', 'fieldSelector', 'pageToken'].map((field) => ({ field })),
        },
      });
      expect(await list('acme', { dpu: 'dpu-1', type: 'lnk' })).toMatchObject({
        error: { violations: [{ field: 'type', description: expect.stringContaining('link') }] },
      });
      const { nextPageToken } = unwrap(await list('acme', { dpu: 'dpu-1', pageSize: 1 }));
      const elsewhere = await list('globex', { dpu: 'dpu-1', pageToken: nextPageToken });
      expect(elsewhere).toMatchObject({ error: { violations: [{ field: 'pageToken' }] } });
      expect(await list('acme', { dpu: 'dpu-9' })).toMatchObject({ error: { code: 'NOT_FOUND' } });
      await installation.stop('dpu-2');
      const away = await list('acme', { dpu: 'dpu-2' });
      expect(away).toMatchObject({ error: { code: 'UNAVAILABLE', reason: 'WORKER_UNAVAILABLE' } });
    });
  });
});
