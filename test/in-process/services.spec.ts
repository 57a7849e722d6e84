import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Installation, type SimulatedDpu } from '@outboard/all-in-one';
import type { Bus } from '@outboard/bus';
import { HEADERS, subjects, type Verb } from '@outboard/contracts';
import { ok, unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';

const LEASE_MILLISECONDS = 9_000;
const PF_MAC_ADDRESS = '08:c0:eb:8a:d7:8a';

/** An installation on a clock of its own, and what a caller does with it. */
class Tried {
  readonly clock = new ManualClock();
  readonly directory = mkdtempSync(join(tmpdir(), 'outboard-in-process-'));
  installation!: Installation;
  bus!: Bus;
  #ids = 0;

  async open(): Promise<void> {
    const { clock, directory } = this;
    this.installation = await Installation.start({ clock, directory, leaseMilliseconds: LEASE_MILLISECONDS });
    this.bus = this.installation.connect();
  }

  async close(): Promise<void> {
    await this.#finish(this.installation[Symbol.asyncDispose]());
    rmSync(this.directory, { recursive: true });
  }

  async addDpu(name: string, number: number, hardware?: SimulatedDpu['hardware']): Promise<void> {
    await this.installation.addDpu({
      name,
      serialNumber: `SN-${name}`,
      pfMacAddress: PF_MAC_ADDRESS,
      functions: 3,
      underlayAddress: `10.255.0.${number}`,
      ...(hardware && { hardware }),
    });
  }

  /** A process ends in order; what it stored and what it did to the switch stays. */
  stop(name: string): Promise<void> {
    return this.#finish(this.installation.stop(name));
  }

  async #finish(ending: Promise<void>): Promise<void> {
    let isDone = false;
    const ended = ending.then(() => {
      isDone = true;
    });
    await this.until(() => isDone);
    await ended;
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
  async ready(name: string, tenant = 'acme'): Promise<string | undefined> {
    const port = await this.request(tenant, 'network', 'port', 'get', { name });
    if (!port.ok) return undefined;
    const { conditions = [] } = port.value.status;
    const { status, reason } = conditions.find(({ type }: { type: string }) => type === 'Ready') ?? {};
    return `${status} ${reason}`;
  }

  /** Lets time pass until it has come true. */
  async until(look: () => boolean | Promise<boolean>): Promise<void> {
    for (let step = 0; step < 3_000; step++) {
      if (await look()) return;
      // Files are written in the background, and a disk takes real time: the clock must not run away from it.
      await setTimeout(1);
      await this.clock.advance(20);
    }
    throw new Error(`it did not come true: ${look}`);
  }
}

describe('admin, network-intent and workers in one process', () => {
  let tried: Tried;
  beforeEach(async () => {
    tried = new Tried();
    await tried.open();
    await tried.addDpu('dpu-1', 1);
    await tried.addDpu('dpu-2', 2);
    await tried.publish('Network', 'blue', {});
    await tried.publish('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.1.0/24' });
  });
  afterEach(() => tried.close());

  const at = (dpu: string, vfNumber: number) => ({
    network: 'blue',
    function: { serialNumber: `SN-${dpu}`, pfMacAddress: PF_MAC_ADDRESS, vfNumber },
  });
  const isReady = (name: string) => async (): Promise<boolean> =>
    (await tried.ready(name)) === 'True AppliedAndReadBack';
  const objects = (dpu: string): string[] => tried.installation.vswitch(dpu).keys().sort();

  it('a port that was asked for before its DPU registered is ready once the kernel has it; admin knows the claim', async () => {
    const bare = objects('dpu-1');
    await tried.publish('Port', 'web-0', at('dpu-1', 0));
    await tried.publish('Port', 'web-1', at('dpu-2', 0));
    await tried.until(isReady('web-0'));
    await tried.until(isReady('web-1'));
    expect(objects('dpu-1').length).toBeGreaterThan(bare.length);
    await tried.until(async () => {
      const found = unwrap(await tried.request('_', 'admin', 'function', 'get', { name: 'dpu-1-pf0vf0' }));
      return found.status.claim?.name === 'web-0';
    });
    expect(await tried.request('_', 'admin', 'function', 'delete', { name: 'dpu-1-pf0vf0' })).toMatchObject({
      error: { reason: 'IN_USE', metadata: { users: 'port acme/web-0' } },
    });
    await tried.publish('Port', 'web-0', undefined);
    await tried.until(() => objects('dpu-1').length === bare.length);
  });

  it('a worker that ends makes its ports not ready, the kernel stays, and a new worker adopts it', async () => {
    await tried.publish('Port', 'web-0', at('dpu-1', 0));
    await tried.until(isReady('web-0'));
    const held = objects('dpu-1');
    await tried.stop('dpu-1');
    await tried.until(async () => (await tried.ready('web-0')) === 'Unknown DpuUnreachable');
    expect(objects('dpu-1')).toEqual(held);
    await tried.installation.startWorker('dpu-1');
    await tried.until(isReady('web-0'));
    expect(objects('dpu-1')).toEqual(held);
  });

  it('services may start again in any order, one without the other: nothing is lost', async () => {
    await tried.publish('Port', 'web-0', at('dpu-1', 0));
    await tried.until(isReady('web-0'));
    const held = objects('dpu-1');
    await tried.stop('admin');
    await tried.stop('network-intent');
    await tried.publish('Port', 'web-1', at('dpu-2', 1));
    await tried.installation.startNetworkIntent();
    // What it knows of DPUs and functions is stored: it plans without admin.
    await tried.until(isReady('web-1'));
    await tried.installation.startAdmin();
    await tried.until(isReady('web-0'));
    expect(objects('dpu-1')).toEqual(expect.arrayContaining(held));
    const dpus = unwrap(await tried.request('_', 'admin', 'dpu', 'list', {}));
    expect(dpus.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual([
      'dpu-1',
      'dpu-2',
    ]);
  });

  it('a port tells whether hardware has it, also when that changes, and is not ready without if it requires it', async () => {
    // Room for all, but at the entrance: a network's tunnel and a port, and what another network has evicts the port.
    const tables = Array.from({ length: 64 }, (_, table) => [table, { entries: table === 0 ? 2 : 1_000 }]);
    await tried.addDpu('dpu-3', 3, Object.fromEntries(tables));
    const offload = async (name: string) =>
      unwrap(await tried.request('acme', 'network', 'port', 'get', { name })).status.offload;
    const isInHardware = async () => (await offload('web-0'))?.state === 'HARDWARE';
    await tried.publish('Port', 'web-0', { ...at('dpu-3', 0), offload: 'REQUIRED' });
    await tried.until(isReady('web-0'));
    await tried.until(isInHardware);

    await tried.publish('Network', 'green', {});
    await tried.publish('Subnet', 'green-v4', { network: 'green', cidr: '10.0.2.0/24' });
    await tried.publish('Port', 'web-1', { ...at('dpu-3', 1), network: 'green' });
    await tried.until(isReady('web-1'));
    await tried.until(async () => (await tried.ready('web-0')) === 'False NotInHardware');
    for (const [name, representor] of [
      ['web-0', 'pf0vf0'],
      ['web-1', 'pf0vf1'],
    ] as const)
      expect(await offload(name)).toEqual({
        state: 'SOFTWARE',
        reason: `NotOffloadedByDataplane: flow/0/10/in_port=${representor}`,
      });

    await tried.publish('Port', 'web-1', undefined);
    await tried.until(isInHardware);
    expect(await offload('web-0')).toEqual({ state: 'HARDWARE', reason: 'OffloadedByDataplane' });
    expect(await isReady('web-0')()).toBe(true);
  });

  describe('layer 1', () => {
    const list = (tenant: string, body: object) => {
      const answer = tried.request(tenant, 'network', 'layer1', 'list', body);
      let isDone = false;
      void answer.then(() => {
        isDone = true;
      });
      return tried.until(() => isDone).then(() => answer);
    };
    const sourcesOf = (items: readonly { claims?: readonly { source: object }[] }[]) =>
      new Set(
        items.flatMap(({ claims = [] }) => claims.map(({ source }) => Object.values(source).join('/'))),
      );

    beforeEach(async () => {
      await tried.publish('Network', 'blue', {}, 'globex');
      await tried.publish('Port', 'web-0', at('dpu-1', 0));
      await tried.publish('Port', 'db-0', at('dpu-1', 1), 'globex');
      await tried.until(isReady('web-0'));
      await tried.until(async () => (await tried.ready('db-0', 'globex')) === 'True AppliedAndReadBack');
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
      // What they share (the tunnels' port, the fixed flows) both are shown.
      const keys = (items: readonly { key: string }[]) => items.map(({ key }) => key);
      expect(new Set(keys(all.items))).toEqual(new Set([...keys(acme.items), ...keys(globex.items)]));
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
      await tried.stop('dpu-2');
      const away = await list('acme', { dpu: 'dpu-2' });
      expect(away).toMatchObject({ error: { code: 'UNAVAILABLE', reason: 'WORKER_UNAVAILABLE' } });
    });
  });
});
