import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DocumentDigest,
  decodeBinary,
  encodeBinary,
  FetchRequestSchema,
  FetchResponseSchema,
  MAX_PAGE_BYTES,
  ObservedReportSchema,
  SyncRequestSchema,
  SyncResponseSchema,
} from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { FakeWorker } from '@outboard/document-owner/testing';
import fc from 'fast-check';
import { functionOf, NetworkLaboratory } from './network-laboratory.js';

const EMPTY = new DocumentDigest().toBytes();

describe('the document of a DPU', () => {
  let laboratory: NetworkLaboratory;
  beforeEach(async () => {
    laboratory = await NetworkLaboratory.open();
  });
  afterEach(() => laboratory.close());

  const on = (dpu: string, channel: string): string => `outboard.v1alpha1.dpu.${dpu}.${channel}.network`;
  const fetchPage = async (dpu: string, pageToken = '') => {
    const body = encodeBinary(FetchRequestSchema, create(FetchRequestSchema, { pageToken }));
    const reply = await laboratory.service.handleFetch({ subject: on(dpu, 'fetch'), headers: {}, body });
    if (!reply.ok) return reply;
    expect(reply.value.body.length).toBeLessThanOrEqual(MAX_PAGE_BYTES);
    return decodeBinary(FetchResponseSchema, reply.value.body);
  };
  /** The whole document as it is fetched. */
  const fetchAll = async (dpu: string) => {
    const entries = new Map<string, Uint8Array>();
    let page = unwrap(await fetchPage(dpu));
    const { version } = page;
    for (;;) {
      expect(page.version).toEqual(version);
      for (const { key, object } of page.objects) entries.set(key, object);
      if (page.nextPageToken === '') return { version, entries };
      page = unwrap(await fetchPage(dpu, page.nextPageToken));
    }
  };
  const sync = async (dpu: string, version: Partial<FakeWorker['version']> | undefined) => {
    const request = create(SyncRequestSchema, { incarnation: 'boot', ...(version && { version }) });
    const body = encodeBinary(SyncRequestSchema, request);
    const reply = unwrap(
      await laboratory.service.handleSync({ subject: on(dpu, 'sync'), headers: {}, body }),
    );
    return unwrap(decodeBinary(SyncResponseSchema, reply.body)).answer;
  };
  const ports = async (count: number, dpu: string, from = 0): Promise<void> => {
    const names = Array.from({ length: count }, (_, index) => index + from);
    await Promise.all(
      names.map((index) =>
        laboratory.apply('Port', `p-${index}`, { network: 'blue', function: functionOf(dpu, index) }),
      ),
    );
    await laboratory.quiet();
  };

  it('is the sum of its deltas, and has the digest that they state', async () => {
    const workers = await laboratory.fleet(['dpu-1', 'dpu-2', 'dpu-3'], 8);
    await laboratory.blue();
    await ports(8, 'dpu-1');
    await laboratory.apply('Network', 'green', {});
    await laboratory.apply('Port', 'g', { network: 'green', function: functionOf('dpu-2', 1) });
    await laboratory.apply('Port', 'p-8', { network: 'blue', function: functionOf('dpu-2', 0) });
    await laboratory.apply('Port', 'p-3', undefined);
    await laboratory.admin.putDpu('dpu-1', { address: '10.255.9.9' });
    await laboratory.apply('Network', 'blue', { mtu: 1400 });
    await laboratory.quiet();
    for (const worker of workers) {
      const { version, entries } = await fetchAll(worker.dpu);
      expect(worker.version).toEqual(version);
      expect(new Map([...worker.entries].sort())).toEqual(new Map([...entries].sort()));
      expect(worker.isConsistent).toBe(true);
      expect(worker.answers).toEqual(['fetch']);
    }
    expect(workers[0]?.keys().length).toBeGreaterThan(8);
  });

  it('changes by exactly one delta for each group of changes that touches it', async () => {
    const [one, two] = await laboratory.fleet(['dpu-1', 'dpu-2'], 100);
    await laboratory.blue();
    await ports(1, 'dpu-1', 99);
    if (one) one.deltas.length = 0;
    const before = laboratory.store.read((snapshot) => snapshot.revision);
    await ports(50, 'dpu-1');
    const groups = laboratory.store.read((snapshot) => snapshot.revision) - before;
    const sequences = one?.deltas.map(({ version }) => version?.sequence);
    expect(new Set(sequences).size).toBe(one?.deltas.length);
    expect(one?.deltas.length).toBeLessThanOrEqual(groups);
    expect(one?.deltas.reduce((sum, { upserts }) => sum + upserts.length, 0)).toBe(50);
    expect(two?.deltas).toEqual([]);
  });

  it('that did not change is current; one that changed a little comes as the missed deltas', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], 8);
    await laboratory.blue();
    await ports(2, 'dpu-1');
    const version = worker?.version;
    expect(await sync('dpu-1', version)).toMatchObject({ case: 'current' });
    for (let round = 2; round < 5; round++) await ports(1, 'dpu-1', round);
    const answer = await sync('dpu-1', version);
    expect(answer).toMatchObject({
      case: 'deltas',
      value: { deltas: [{ base: version?.sequence }, {}, {}] },
    });
  });

  it('is to be fetched by who has too old a version, none, another content, or one of another epoch', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], 8);
    await laboratory.blue();
    await ports(2, 'dpu-1');
    const version = worker?.version;
    for (const other of [
      undefined,
      {},
      { ...version, epoch: 'another' },
      { ...version, digest: new Uint8Array(16).fill(7) },
      { ...version, digest: Uint8Array.of(1) },
      { ...version, sequence: 2n ** 63n },
      { ...version, sequence: 0n, digest: EMPTY },
    ]) {
      expect(await sync('dpu-1', other)).toMatchObject({ case: 'fetch', value: { version } });
    }
  });

  it('of many objects is fetched in pages of one version, whatever changes meanwhile', async () => {
    const functions = 1_000;
    await laboratory.admin.putAll('dpu-1', functions);
    await laboratory.quiet();
    await laboratory.blue({});
    await laboratory.apply('Subnet', 'blue-v6', { network: 'blue', cidr: '2001:db8::/64' });
    const pairs = Array.from({ length: 64 }, (_, index) => ({ ip: `10.9.${index}.0/24` }));
    const names = Array.from({ length: 200 }, (_, index) => index);
    const spec = (index: number) => ({
      network: 'blue',
      function: functionOf('dpu-1', index),
      allowedAddressPairs: pairs,
    });
    await Promise.all(names.map((index) => laboratory.apply('Port', `p-${index}`, spec(index))));
    const first = unwrap(await fetchPage('dpu-1'));
    expect(first.nextPageToken).not.toBe('');
    await laboratory.apply('Port', 'late', spec(900));
    const entries = new Map(first.objects.map(({ key, object }) => [key, object]));
    for (let page = first; page.nextPageToken !== ''; ) {
      page = unwrap(await fetchPage('dpu-1', page.nextPageToken));
      expect(page.version).toEqual(first.version);
      for (const { key, object } of page.objects) entries.set(key, object);
    }
    const digest = DocumentDigest.of([...entries].map(([key, object]) => ({ key, object })));
    expect(digest.equals(first.version?.digest ?? EMPTY)).toBe(true);
    const worker = await laboratory.worker('dpu-1');
    expect(worker.fetchedPages).toBeGreaterThan(1);
    expect(worker.keys('endpoint')).toHaveLength(201);
  });

  it('a change that is too large for a message is announced, and fetched', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], 300);
    await laboratory.blue({});
    const pairs = Array.from({ length: 64 }, (_, index) => ({ ip: `10.9.${index}.0/24` }));
    const names = Array.from({ length: 250 }, (_, index) => index);
    await Promise.all(
      names.map((index) =>
        laboratory.apply('Port', `p-${index}`, {
          network: 'blue',
          function: functionOf('dpu-1', index),
          allowedAddressPairs: pairs,
        }),
      ),
    );
    await laboratory.quiet();
    const announcements = worker?.deltas.filter(
      ({ upserts, deletes }) => upserts.length + deletes.length === 0,
    );
    expect(announcements?.length).toBeGreaterThan(0);
    expect(worker?.keys('endpoint')).toHaveLength(250);
    expect(worker?.isConsistent).toBe(true);
  });

  it('pages that are not kept any more have to be fetched anew', async () => {
    await laboratory.fleet(['dpu-1'], 1);
    for (const token of ['1:1', 'x', '0:0', ':', '-1:5', '999999:1', `${2 ** 60}:1`]) {
      expect(await fetchPage('dpu-1', token)).toMatchObject({ error: { code: 'ABORTED' } });
    }
  });

  it('of a DPU that admin does not know is nobody’s', async () => {
    const worker = await laboratory.worker('dpu-9');
    expect(worker.answers).toEqual(['NOT_FOUND']);
    expect(await fetchPage('dpu-9')).toMatchObject({ error: { code: 'NOT_FOUND', reason: 'UNKNOWN_DPU' } });
  });

  it('a report of another epoch, or of what was never handed out, confirms nothing', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], 1);
    if (!worker) throw new Error('no worker');
    await laboratory.blue();
    worker.isReporting = false;
    await ports(1, 'dpu-1');
    const { version } = worker;
    for (const wrong of [
      { epoch: 'another' },
      { sequence: version.sequence + 1n },
      { sequence: 2n ** 63n },
    ]) {
      worker.version = { ...version, ...wrong };
      await worker.report();
      expect(laboratory.condition('p-0', 'Applied')).toBe('False Applying');
    }
    worker.version = version;
    await worker.report();
    expect(laboratory.condition('p-0', 'Applied')).toBe('True AppliedAndReadBack');
  });

  it('arbitrary bytes of a worker are refused, or harmless: never a throw, never a change of what callers asked for', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], 1);
    await laboratory.blue();
    await ports(1, 'dpu-1');
    const valid = [
      encodeBinary(
        SyncRequestSchema,
        create(SyncRequestSchema, { version: worker?.version ?? {}, incarnation: 'x' }),
      ),
      encodeBinary(ObservedReportSchema, create(ObservedReportSchema, { version: worker?.version ?? {} })),
    ];
    const damaged = fc
      .tuple(fc.constantFrom(...valid), fc.uint8Array({ maxLength: 12 }), fc.nat(80))
      .map(([bytes, noise, at]) => {
        const copy = Uint8Array.from(bytes);
        copy.set(noise, Math.max(0, Math.min(at, copy.length - noise.length)));
        return copy;
      });
    const body = fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged);
    const channel = fc.constantFrom('sync', 'fetch', 'observed');
    const dpu = fc.constantFrom('dpu-1', 'dpu-2', '_', 'Dpu', '*');
    await fc.assert(
      fc.asyncProperty(dpu, channel, body, async (name, from, bytes) => {
        const request = { subject: on(name, from), headers: {}, body: bytes };
        const { service } = laboratory;
        const reply =
          from === 'sync'
            ? await service.handleSync(request)
            : from === 'fetch'
              ? await service.handleFetch(request)
              : await service.handleObserved(request);
        if (!reply.ok) expect(reply.error.code).not.toBe('INTERNAL');
      }),
      { numRuns: 1_000 },
    );
    expect(laboratory.port('p-0')?.spec.function).toEqual(functionOf('dpu-1', 0));
    await worker?.report();
    expect(laboratory.condition('p-0', 'Applied')).toBe('True AppliedAndReadBack');
  });
});
