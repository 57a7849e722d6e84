import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HEADERS } from '@outboard/contracts';
import { ok, unwrap } from '@outboard/core';
import { parseManifest } from '@outboard/model';
import { Laboratory, manifest } from './laboratory.js';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const NETWORK = { tenant: 'acme', api: 'network', kind: 'network' } as const;

describe('events and states', () => {
  let laboratory: Laboratory;
  beforeEach(async () => {
    laboratory = await Laboratory.open();
  });
  afterEach(() => laboratory.close());

  it('tell the life of a resource: accepted, ready, notready, ready, deleted', async () => {
    await laboratory.intent('blue');
    for (const isReady of [true, true, false, true]) await laboratory.setReady('blue', isReady);
    await laboratory.intent('blue', { operation: 'delete' });
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted', 'ready', 'notready', 'ready', 'deleted']);
  });

  it('name the message that caused them, also when they come long after it and after a restart', async () => {
    await laboratory.intent('blue', { messageId: 'm-1', headers: { traceparent: TRACEPARENT } });
    await laboratory.setReady('blue', true);
    await laboratory.restart();
    await laboratory.setReady('blue', false);
    await laboratory.intent('blue', { messageId: 'm-2', mtu: 1400 });
    await laboratory.setReady('blue', true);
    await laboratory.published();
    expect(laboratory.headers(HEADERS.cause)).toEqual(['m-1', 'm-1', 'm-1', 'm-2', 'm-2']);
    expect(laboratory.headers(HEADERS.traceparent)).toEqual([
      TRACEPARENT,
      TRACEPARENT,
      TRACEPARENT,
      undefined,
      undefined,
    ]);
  });

  it('name no message where a request had no id', async () => {
    await laboratory.intent('blue', { messageId: 'm-1' });
    await laboratory.request('apply', manifest('blue', { mtu: 1400 }));
    await laboratory.setReady('blue', true);
    await laboratory.published();
    expect(laboratory.headers(HEADERS.cause)).toEqual(['m-1', undefined, undefined]);
  });

  it('tell of changes by request as of changes by intent: created, updated, deleted', async () => {
    const withId = (messageId: string) => ({ headers: { [HEADERS.messageId]: messageId } });
    await laboratory.request('create', manifest('blue'), withId('m-1'));
    await laboratory.request('update', manifest('blue', { mtu: 1400 }), withId('m-2'));
    await laboratory.request('delete', { name: 'blue' }, withId('m-3'));
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted', 'accepted', 'deleted']);
    expect(laboratory.headers(HEADERS.cause)).toEqual(['m-1', 'm-2', 'm-3']);
    expect(laboratory.headers(HEADERS.actor)).toEqual(Array(3).fill('tenant/acme'));
  });

  it('tell whose doing they are, as permissions on subjects prove it', async () => {
    const appear = async (actor: 'service/admin' | 'system', name: string) =>
      laboratory.service.change(actor, (context) => {
        const intent = unwrap(parseManifest(Buffer.from(manifest(name)), { ...NETWORK, name }));
        return ok(unwrap(laboratory.domain.decide({ operation: 'apply', intent }, context)).changes);
      });
    await laboratory.intent('blue');
    await laboratory.intent('blue', { body: manifest('blue', { mtu: 1 }) });
    await laboratory.setReady('blue', true);
    await appear('service/admin', 'green');
    await appear('system', 'red');
    await laboratory.intent('grey', { tenant: '_' });
    await laboratory.published();
    expect(laboratory.headers(HEADERS.actor)).toEqual([
      'tenant/acme',
      'tenant/acme',
      'dpu/dpu-7',
      'service/admin',
      'system',
      'operator',
    ]);
    // What nobody has asked for is there from its first event on, ready or not.
    expect(laboratory.transitions('green')).toEqual(['notready']);
    expect(laboratory.event('green', 'notready').headers).not.toHaveProperty(HEADERS.cause);
  });

  it('tell the revision of their commit: that of the resource, where they tell of a change of it', async () => {
    await laboratory.intent('blue', { messageId: 'm-1' });
    await laboratory.setReady('blue', true);
    await laboratory.intent('blue', { messageId: 'm-1' });
    await laboratory.intent('blue', { messageId: 'm-2' });
    await laboratory.intent('blue', { body: manifest('blue', { mtu: 1 }) });
    await laboratory.intent('blue', { operation: 'delete' });
    await laboratory.published();
    const revisions = laboratory.headers(HEADERS.revision).map(Number);
    expect(revisions).toEqual([...new Set(revisions)].sort((one, other) => one - other));
    expect(revisions.at(-1)).toBe(laboratory.store.read((snapshot) => snapshot.revision));
    const isChange = laboratory.events.map(
      ({ json }, index) => Number(json.metadata?.resourceVersion) === revisions[index],
    );
    // Accepted and ready; a repetition, an intent that asks for what is so already, a refusal; a deletion.
    expect(isChange).toEqual([true, true, false, false, false, false]);
  });

  it('pass on whom the caller says it acts for, also long after it, and after a restart', async () => {
    const headers = { [HEADERS.requestedBy]: 'Alice <alice@example.org>' };
    await laboratory.intent('blue', { headers });
    await laboratory.intent('blue', { headers, body: manifest('blue', { mtu: 1 }) });
    await laboratory.restart();
    await laboratory.setReady('blue', true);
    await laboratory.request('apply', manifest('blue', { mtu: 1400 }), { headers });
    await laboratory.request('delete', { name: 'blue' });
    await laboratory.published();
    expect(laboratory.headers(HEADERS.requestedBy)).toEqual([
      ...Array(5).fill(headers[HEADERS.requestedBy]),
      undefined,
    ]);
    expect(laboratory.transitions('blue')).toEqual([
      'accepted',
      'refused',
      'ready',
      'accepted',
      'notready',
      'deleted',
    ]);
  });

  it('of other tenants tell the message that has changed them too, and not whom its caller named', async () => {
    await laboratory.intent('blue', { tenant: 'umbrella', messageId: 'm-1' });
    laboratory.domain.waiting.add('umbrella/blue');
    const headers = { [HEADERS.requestedBy]: 'alice' };
    await laboratory.intent('green', { messageId: 'm-2', headers });
    await laboratory.published();
    expect(laboratory.event('green', 'accepted').headers).toMatchObject(headers);
    const { headers: told } = laboratory.event('blue', 'ready');
    expect(told).toMatchObject({ [HEADERS.cause]: 'm-2', [HEADERS.actor]: 'tenant/acme' });
    expect(told).not.toHaveProperty(HEADERS.requestedBy);
  });

  it('name no message where a request without id has changed others, not the last one that those obeyed', async () => {
    await laboratory.intent('blue', { messageId: 'm-1' });
    laboratory.domain.waiting.add('acme/blue');
    await laboratory.request('apply', manifest('green'));
    await laboratory.published();
    expect(laboratory.event('blue', 'ready').headers).not.toHaveProperty(HEADERS.cause);
  });

  it('are CloudEvents in binary mode: the attributes are headers, the body is the bare object without spec', async () => {
    await laboratory.intent('blue', { mtu: 1400 });
    await laboratory.published();
    const { headers, json } = laboratory.event('blue', 'accepted');
    expect(headers).toMatchObject({
      'ce-specversion': '1.0',
      'ce-id': headers[HEADERS.messageId],
      'ce-source': '/directory',
      'ce-type': 'dev.outboard.network.network.accepted',
      'ce-subject': 'acme/blue',
      'ce-time': new Date(laboratory.clock.now()).toISOString(),
      'ce-datacontenttype': 'application/json',
    });
    expect(Object.keys(json)).toEqual(['apiVersion', 'kind', 'metadata', 'status']);
  });

  it('have ids of their own, across restarts and failed commits', async () => {
    await Promise.all(['a', 'b', 'c'].map((name) => laboratory.intent(name)));
    laboratory.store.isDiskFull = true;
    await laboratory.intent('d');
    laboratory.store.isDiskFull = false;
    await laboratory.restart();
    await Promise.all(['d', 'a', 'b'].map((name) => laboratory.intent(name, { mtu: 1400 })));
    await laboratory.published();
    const ids = [...laboratory.events, ...laboratory.states].map(({ headers }) => headers[HEADERS.messageId]);
    expect(new Set(ids).size).toBe(12);
    expect(ids).toHaveLength(12);
  });

  it('a refusal carries the error as a reply does: headers of ADR-32 and the body of AIP-193', async () => {
    await laboratory.intent('blue', { body: manifest('blue', { mtu: 1 }), messageId: 'm-1' });
    await laboratory.published();
    const { headers, json } = laboratory.event('blue', 'refused');
    expect(headers).toMatchObject({
      [HEADERS.serviceErrorCode]: '400',
      [HEADERS.serviceError]: '1 problem',
      [HEADERS.cause]: 'm-1',
    });
    expect(json).toEqual({
      code: 3,
      status: 'INVALID_ARGUMENT',
      message: '1 problem',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [{ field: 'spec.mtu', description: expect.stringContaining('1280') }],
        },
      ],
    });
  });

  it('a request is refused by its reply alone', async () => {
    await laboratory.request('delete', { name: 'blue' }, { headers: { [HEADERS.messageId]: 'm-1' } });
    await laboratory.published();
    expect(laboratory.events).toEqual([]);
  });

  it('the state stream has the last state of each resource, whole, and a tombstone of what is gone', async () => {
    for (const name of ['blue', 'green']) {
      await laboratory.intent(name, { mtu: 1400 });
      await laboratory.intent(name, { mtu: 1500 });
    }
    await laboratory.intent('green', { operation: 'delete' });
    await laboratory.published();
    const [blue, green, ...others] = await laboratory.stateStream();
    expect(others).toEqual([]);
    expect(blue?.subject).toBe('outboard.v1alpha1.state.acme.network.network.blue');
    expect(blue?.json).toMatchObject({ spec: { mtu: 1500 }, status: { conditions: [{}, {}, {}, {}] } });
    expect(blue?.headers).not.toHaveProperty(HEADERS.operation);
    expect(green?.headers[HEADERS.operation]).toBe('delete');
    expect(Object.keys(green?.json ?? {})).toEqual(['apiVersion', 'kind', 'metadata']);
    await laboratory.intent('green');
    await laboratory.published();
    expect(laboratory.states.at(-1)?.headers).not.toHaveProperty(HEADERS.operation);
  });

  it('a repeated delete is answered by the deletion again', async () => {
    await laboratory.intent('blue');
    const remove = { operation: 'delete', messageId: 'm-1' };
    await laboratory.intent('blue', remove);
    await laboratory.intent('blue', remove);
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted', 'deleted', 'deleted']);
  });

  it('a broker that is away delays them, and loses none', async () => {
    laboratory.isBrokerAway = true;
    await laboratory.intent('blue');
    await laboratory.intent('green');
    expect(laboratory.events).toEqual([]);
    await laboratory.restart();
    laboratory.isBrokerAway = false;
    await laboratory.clock.advance(10_000);
    await laboratory.published();
    expect(laboratory.events.map(({ subject }) => subject.split('.')[6])).toEqual(['blue', 'green']);
  });
});
