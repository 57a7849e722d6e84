import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MAX_BODY_BYTES, type Verb } from '@outboard/contracts';
import type { ResourceList } from '../src/index.js';
import { Laboratory, manifest, memoryStores, sqliteStores } from './laboratory.js';

const withId = (messageId: string) => ({ headers: { 'Nats-Msg-Id': messageId } });

describe.each([memoryStores, sqliteStores])('a request, with a store in $name', (stores) => {
  let laboratory: Laboratory;
  const request: Laboratory['request'] = (...question) => laboratory.request(...question);
  beforeEach(async () => {
    laboratory = await Laboratory.open(stores);
  });
  afterEach(() => laboratory.close());

  it('is answered with the resource, after its commit', async () => {
    const created = await request('create', manifest('blue', { mtu: 1450, labels: { tier: 'gold' } }));
    expect(created).toMatchObject({
      value: {
        apiVersion: 'network.outboard.dev/v1alpha1',
        kind: 'Network',
        metadata: { tenant: 'acme', name: 'blue', labels: { tier: 'gold' }, generation: 1 },
        spec: { mtu: 1450 },
        status: {
          conditions: expect.arrayContaining([
            expect.objectContaining({ type: 'Accepted', status: 'True' }),
            expect.objectContaining({ type: 'Ready' }),
          ]),
        },
      },
    });
    expect(await request('get', { name: 'blue' })).toEqual(created);
    expect(laboratory.stored()).toHaveLength(1);
  });

  it('to create what exists, or to update, get or delete what does not, is refused', async () => {
    await request('create', manifest('blue'));
    expect(await request('create', manifest('blue'))).toMatchObject({ error: { code: 'ALREADY_EXISTS' } });
    expect(await request('update', manifest('red'))).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(await request('get', { name: 'red' })).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(await request('delete', { name: 'red' })).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(laboratory.stored()).toHaveLength(1);
  });

  it('that states a resource version is refused when the resource has changed since', async () => {
    const seen = (await request('apply', manifest('blue'))) as { value: { metadata: object } };
    const { resourceVersion } = seen.value.metadata as { resourceVersion: string };
    await request('apply', manifest('blue', { mtu: 1400 }));
    const stale = manifest('blue', { mtu: 1500, metadata: { resourceVersion } });
    expect(await request('update', stale)).toMatchObject({ error: { code: 'ABORTED', reason: 'STALE' } });
    expect(await request('delete', { name: 'blue', resourceVersion })).toMatchObject({
      error: { code: 'ABORTED', reason: 'STALE' },
    });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1400 } }]);
    const current = laboratory.stored()[0]?.metadata.resourceVersion;
    expect(await request('delete', { name: 'blue', resourceVersion: current })).toMatchObject({ ok: true });
    expect(laboratory.stored()).toEqual([]);
  });

  it('with a message id gets the same answer again, also a refusal, also after a restart', async () => {
    const created = await request('create', manifest('blue'), withId('m-1'));
    const refused = await request('create', manifest('blue'), withId('m-2'));
    await request('delete', { name: 'blue' }, withId('m-3'));
    await laboratory.restart();
    expect(await request('create', manifest('blue'), withId('m-1'))).toEqual(created);
    expect(await request('create', manifest('blue'), withId('m-2'))).toEqual(refused);
    expect(laboratory.stored()).toEqual([]);
    expect(await request('create', manifest('blue', { mtu: 1400 }), withId('m-1'))).toMatchObject({
      error: { code: 'ALREADY_EXISTS', reason: 'MESSAGE_ID_REUSED' },
    });
    expect(await request('create', manifest('blue'), withId('not an id'))).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', violations: [{ field: 'Nats-Msg-Id' }] },
    });
  });

  it('to plan tells what would change and changes nothing', async () => {
    await request('apply', manifest('blue'));
    const before = laboratory.rows();
    expect(await request('plan', manifest('green'))).toEqual({ ok: true, value: { changed: ['green'] } });
    const remove = { headers: { 'Outboard-Operation': 'delete' } };
    expect(await request('plan', { name: 'blue' }, remove)).toMatchObject({ value: { changed: ['blue'] } });
    expect(await request('plan', { name: 'red' }, remove)).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(laboratory.rows()).toEqual(before);
    expect(laboratory.domain.networks()).toHaveLength(1);
  });

  it('to plan what ends in a bug leaves the projection equal to the store', async () => {
    await request('apply', manifest('blue'));
    laboratory.domain.poisoned.add('red');
    expect(await request('plan', manifest('red'))).toMatchObject({ error: { code: 'INTERNAL' } });
    expect(laboratory.domain.networks()).toEqual(laboratory.stored());
  });

  it('to list is answered in pages whose sum is everything, each once, in order', async () => {
    const tenants = ['acme', 'umbrella'];
    const names = Array.from({ length: 600 }, (_, index) => `n-${index}`);
    const applied = tenants.flatMap((tenant) =>
      names.map((name, index) => {
        const labels = { tier: index % 3 === 0 ? 'gold' : 'tin' };
        return request('apply', manifest(name, { tenant, labels }), { tenant });
      }),
    );
    await Promise.all(applied);
    const list = async (tenant: string, query: object): Promise<string[]> => {
      const found: string[] = [];
      let pageToken = '';
      do {
        const page = await request<ResourceList>('list', { ...query, pageToken }, { tenant });
        if (!page.ok) throw page.error;
        for (const { metadata } of page.value.items) found.push(`${metadata.tenant}/${metadata.name}`);
        pageToken = page.value.nextPageToken;
      } while (pageToken !== '');
      return found;
    };
    const all = tenants.flatMap((tenant) => names.map((name) => `${tenant}/${name}`)).sort();
    const ofAcme = all.filter((text) => text.startsWith('acme/'));
    expect(await list('acme', {})).toEqual(ofAcme);
    expect(await list('_', { pageSize: 500 })).toEqual(all);
    const gold = await list('_', { labelSelector: 'tier=gold', pageSize: 7 });
    expect(gold).toHaveLength(400);
    expect(gold).toEqual(all.filter((text) => Number(text.split('-')[1]) % 3 === 0));
    expect(await list('acme', { labelSelector: 'tier!=gold,tier=gold' })).toEqual([]);
    expect(await list('umbrella', { fieldSelector: 'metadata.name=n-17' })).toEqual(['umbrella/n-17']);
    expect(await list('nobody', {})).toEqual([]);
  });
});

describe('a list', () => {
  let laboratory: Laboratory;
  const request: Laboratory['request'] = (...question) => laboratory.request(...question);
  const page = async (query: object): Promise<ResourceList> => {
    const found = await request<ResourceList>('list', query);
    if (!found.ok) throw found.error;
    return found.value;
  };
  beforeEach(async () => {
    laboratory = await Laboratory.open();
  });
  afterEach(() => laboratory.close());

  it('shows what was there from its first page to its last exactly once, whatever comes and goes meanwhile', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `n-${index}`);
    await Promise.all(names.map((name) => request('apply', manifest(name))));
    const found: unknown[] = [];
    let token = '';
    let round = 0;
    do {
      const { items, nextPageToken } = await page({ pageSize: 20, pageToken: token });
      found.push(...items.map(({ metadata }) => metadata.name));
      await request('apply', manifest(`a-${round}`));
      await request('apply', manifest(`n-5-${round}`));
      await request('apply', manifest(`z-${round}`));
      // What the token stands for may go.
      await request('delete', { name: `n-5-${round}` });
      token = nextPageToken;
      round++;
    } while (token !== '');
    expect(new Set(found).size).toBe(found.length);
    expect(found.filter((name) => /^n-[0-9]+$/.test(String(name)))).toEqual([...names].sort());
  });

  it('tells the revision that a watch goes on from', async () => {
    await request('apply', manifest('blue'));
    const { resourceVersion } = await page({});
    expect(Number(resourceVersion)).toBe(laboratory.store.read((snapshot) => snapshot.revision));
  });

  it('goes on from a page that found nothing, as it looks at a bounded number of resources', async () => {
    const names = Array.from({ length: 2_500 }, (_, index) => `n-${index}`);
    await Promise.all(names.map((name) => request('apply', manifest(name))));
    const first = await page({ fieldSelector: 'metadata.name=n-999' });
    expect(first.items).toEqual([]);
    const second = await page({ fieldSelector: 'metadata.name=n-999', pageToken: first.nextPageToken });
    expect(second.items).toMatchObject([{ metadata: { name: 'n-999' } }]);
    expect(second.nextPageToken).toBe('');
  });

  it('ends a page that would not fit into a message', async () => {
    laboratory.domain.padding = 'x'.repeat(10_000);
    const names = Array.from({ length: 100 }, (_, index) => `n-${index}`);
    await Promise.all(names.map((name) => request('apply', manifest(name))));
    const found: unknown[] = [];
    let token = '';
    do {
      const answer = await page({ pageToken: token });
      expect(JSON.stringify(answer).length).toBeLessThanOrEqual(MAX_BODY_BYTES);
      found.push(...answer.items.map(({ metadata }) => metadata.name));
      token = answer.nextPageToken;
    } while (token !== '');
    expect(found).toEqual([...names].sort());
  });

  it.each([
    [{ labelSelector: '=' }, 'labelSelector'],
    [{ fieldSelector: 'spec.colour=red' }, 'fieldSelector'],
    [{ pageToken: 'made-up' }, 'pageToken'],
    [{ pageSize: 501 }, 'pageSize'],
    [{ pageSize: -1 }, 'pageSize'],
    [{ pagesize: 1 }, 'pagesize'],
  ])('of %j is refused, naming %s', async (query, field) => {
    expect(await request('list', query)).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', violations: [{ field }] },
    });
  });

  it('goes on only with the question that its token was given for', async () => {
    await Promise.all(['a', 'b', 'c'].map((name) => request('apply', manifest(name))));
    const { nextPageToken: pageToken } = await page({ pageSize: 1 });
    expect(await request('list', { pageToken, labelSelector: 'tier=gold' })).toMatchObject({
      error: { violations: [{ field: 'pageToken' }] },
    });
  });
});

describe('bad input of a request', () => {
  let laboratory: Laboratory;
  beforeEach(async () => {
    laboratory = await Laboratory.open();
  });
  afterEach(() => laboratory.close());

  it.each<[string, Verb, unknown, object]>([
    ['a name that is no label', 'get', { name: 'a.b' }, { violations: [{ field: 'name' }] }],
    ['a wildcard as name', 'delete', { name: '*' }, { violations: [{ field: 'name' }] }],
    ['no name', 'get', {}, { violations: [{ field: 'name' }] }],
    ['a manifest without name', 'apply', { kind: 'Network' }, { code: 'INVALID_ARGUMENT' }],
    ['a hostile name', 'apply', manifest('a b>'), { violations: [{ field: 'metadata.name' }] }],
    [
      'a name of the wrong type',
      'apply',
      { kind: 'Network', metadata: { name: 7 } },
      { code: 'INVALID_ARGUMENT' },
    ],
    ['no metadata', 'create', { kind: 'Network', metadata: null }, { code: 'INVALID_ARGUMENT' }],
    [
      'another tenant',
      'apply',
      manifest('a', { tenant: 'b' }),
      { violations: [{ field: 'metadata.tenant' }] },
    ],
    ['too large a body', 'apply', 'x'.repeat(MAX_BODY_BYTES + 1), { reason: 'BODY_TOO_LARGE' }],
    ['no JSON', 'apply', '{', { code: 'INVALID_ARGUMENT' }],
    ['an unknown verb', 'grow' as Verb, {}, { code: 'UNIMPLEMENTED', reason: 'UNKNOWN_VERB' }],
  ])('%s is refused, and nothing is stored', async (_, verb, body, error) => {
    expect(await laboratory.request(verb, body)).toMatchObject({ error });
    expect(laboratory.stored()).toEqual([]);
  });

  it('headers that no event could carry are refused by name, all at once', async () => {
    const headers = { 'Nats-Msg-Id': 'not an id', 'Outboard-Requested-By': 'Zoë' };
    expect(await laboratory.request('apply', manifest('a'), { headers })).toMatchObject({
      error: {
        code: 'INVALID_ARGUMENT',
        violations: [{ field: 'Nats-Msg-Id' }, { field: 'Outboard-Requested-By' }],
      },
    });
    expect(laboratory.stored()).toEqual([]);
  });

  it('a subject that is none of this API is refused', async () => {
    for (const subject of [
      'outboard.v1alpha1.rpc.acme.network.network',
      'foo',
      'outboard.v1alpha1.rpc.a.b.c.d',
    ]) {
      const reply = await laboratory.service.handleRequest({ subject, headers: {}, body: new Uint8Array() });
      expect(reply).toMatchObject({ error: { code: 'UNIMPLEMENTED' } });
    }
    expect(await laboratory.request('get', { name: 'a' }, { kind: 'dpu' })).toMatchObject({
      error: { reason: 'UNKNOWN_KIND' },
    });
  });
});
