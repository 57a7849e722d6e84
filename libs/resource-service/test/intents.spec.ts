import { afterEach, describe, expect, it } from '@jest/globals';
import { HEADERS, MAX_BODY_BYTES } from '@outboard/contracts';
import {
  type IntentOptions,
  Laboratory,
  manifest,
  memoryStores,
  reasonOf,
  sqliteStores,
} from './laboratory.js';

describe.each([memoryStores, sqliteStores])('an intent, with a store in $name', (stores) => {
  let laboratory: Laboratory;
  const open = async (): Promise<Laboratory> => {
    laboratory = await Laboratory.open(stores);
    return laboratory;
  };
  afterEach(() => laboratory.close());

  it('is acknowledged after its commit: row, accepted event with the cause, and state', async () => {
    const { intent } = bound(await open());
    expect(await intent('blue', { messageId: 'm-1', mtu: 1450 })).toEqual({ kind: 'ack' });
    expect(laboratory.stored()).toMatchObject([{ metadata: { name: 'blue' }, spec: { mtu: 1450 } }]);
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted']);
    expect(laboratory.event('blue', 'accepted').headers[HEADERS.cause]).toBe('m-1');
    expect(laboratory.states.at(-1)?.json.spec).toMatchObject({ mtu: 1450 });
  });

  it('that is delivered again after a crash between commit and acknowledgement doubles nothing', async () => {
    const { intent } = bound(await open());
    await intent('blue', { messageId: 'm-1', sequence: 7, storedAt: 70 });
    const [before] = laboratory.rows();
    await laboratory.restart();
    expect(await intent('blue', { messageId: 'm-1', sequence: 7, storedAt: 70, deliveries: 2 })).toEqual({
      kind: 'ack',
    });
    expect(laboratory.rows()).toEqual([before]);
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted']);
    expect(laboratory.states).toHaveLength(1);
  });

  it('without a message id is known again by its place in the stream', async () => {
    const { intent } = bound(await open());
    const options = { messageId: null, sequence: 7, storedAt: 70 };
    await intent('blue', options);
    await laboratory.restart();
    await intent('blue', { ...options, deliveries: 2 });
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted']);
  });

  it('that its author repeats changes nothing and is answered again, also after a restart', async () => {
    const { intent } = bound(await open());
    await intent('blue', { messageId: 'm-1', mtu: 1450 });
    await intent('blue', { messageId: 'm-2', mtu: 1500 });
    await laboratory.restart();
    await intent('blue', { messageId: 'm-1', mtu: 1450 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1500 } }]);
    await laboratory.published();
    const accepted = laboratory.events.filter(({ headers }) => headers[HEADERS.cause] === 'm-1');
    expect(accepted.map(({ json }) => json.metadata?.generation)).toEqual([1, 1]);
  });

  it('that its author repeats within one group is decided once', async () => {
    const { intent } = bound(await open());
    const again = { messageId: 'm-1', mtu: 1450 };
    await Promise.all([intent('blue', again), intent('blue', again), intent('blue', again)]);
    expect(laboratory.stored()).toMatchObject([{ metadata: { generation: 1 } }]);
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted', 'accepted', 'accepted']);
    expect(laboratory.store.commits).toBe(2);
  });

  it('gets the same refusal for the same message id, also when it could be obeyed by now', async () => {
    const { intent } = bound(await open());
    const remove = { operation: 'delete', messageId: 'm-1' };
    await intent('blue', remove);
    await intent('blue', { messageId: 'm-2' });
    await laboratory.restart();
    await intent('blue', remove);
    expect(laboratory.stored()).toHaveLength(1);
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['refused', 'accepted', 'refused']);
  });

  it.each<[string, IntentOptions]>([
    ['another body', { mtu: 1500 }],
    ['another operation', { operation: 'delete' }],
    ['another tenant', { tenant: 'umbrella' }],
  ])('is refused when its message id was used with %s', async (_, other) => {
    const { intent } = bound(await open());
    await intent('blue', { messageId: 'm-1', mtu: 1450 });
    await intent('blue', { messageId: 'm-1', mtu: 1450, ...other });
    expect(laboratory.stored()).toMatchObject([{ metadata: { tenant: 'acme' }, spec: { mtu: 1450 } }]);
    await laboratory.published();
    expect(reasonOf(laboratory.event('blue', 'refused'))).toBe('MESSAGE_ID_REUSED');
  });

  it('older than what its key has obeyed is refused as superseded, also after a restart', async () => {
    const { intent } = bound(await open());
    await intent('blue', { sequence: 9, mtu: 1500 });
    await intent('blue', { sequence: 5, deliveries: 2, mtu: 1400 });
    await laboratory.restart();
    await intent('blue', { sequence: 6, deliveries: 2, mtu: 1400 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1500 } }]);
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted', 'refused', 'refused']);
    expect(reasonOf(laboratory.event('blue', 'refused'))).toBe('SUPERSEDED');
    await intent('blue', { sequence: 10, mtu: 1600 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1600 } }]);
  });

  it('to apply does not bring back what a later one has deleted, also after a restart', async () => {
    const { intent } = bound(await open());
    await intent('blue', { sequence: 3 });
    await intent('blue', { sequence: 9, operation: 'delete' });
    await intent('blue', { sequence: 5, deliveries: 2 });
    await laboratory.restart();
    await intent('blue', { sequence: 6, deliveries: 2 });
    expect(laboratory.stored()).toEqual([]);
    await laboratory.published();
    expect(laboratory.transitions('blue')).toEqual(['accepted', 'deleted', 'refused', 'refused']);
    await intent('blue', { sequence: 10 });
    expect(laboratory.stored()).toHaveLength(1);
  });

  it('that leaves everything as it is counts as obeyed all the same, also after a restart', async () => {
    const { intent } = bound(await open());
    await intent('blue', { sequence: 3, mtu: 1450 });
    await intent('blue', { sequence: 9, mtu: 1450 });
    await laboratory.restart();
    await intent('blue', { sequence: 5, deliveries: 2, mtu: 1400 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1450 }, metadata: { generation: 1 } }]);
  });

  it('is superseded by a later request', async () => {
    const { intent, request } = bound(await open());
    await intent('blue', { sequence: 3, mtu: 1400 });
    await intent('other', { sequence: 8 });
    await request('apply', manifest('blue', { mtu: 1500 }));
    await laboratory.restart();
    await intent('blue', { sequence: 7, deliveries: 2, mtu: 1400 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1500 } }, {}]);
    await intent('blue', { sequence: 9, mtu: 1600 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1600 } }, {}]);
  });

  it('that was parked and is replayed counts as old as it was when it was parked', async () => {
    const { intent } = bound(await open());
    await intent('blue', { sequence: 9, mtu: 1500 });
    const replayed = { headers: { [HEADERS.deadSequence]: '4' }, mtu: 1400 };
    await intent('blue', { ...replayed, sequence: 20 });
    await intent('green', { ...replayed, sequence: 21 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1500 } }, { spec: { mtu: 1400 } }]);
    await laboratory.published();
    expect(reasonOf(laboratory.event('blue', 'refused'))).toBe('SUPERSEDED');
  });

  it('of a stream that was made anew is obeyed, though it has a lower number and the clock was set back', async () => {
    const { intent } = bound(await open());
    await intent('blue', { sequence: 900, storedAt: 1_000, messageId: null });
    const anew = { streamMadeAt: 2, messageId: null };
    await intent('blue', { ...anew, sequence: 1, storedAt: 500, mtu: 1400 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1400 } }]);
    await intent('blue', { ...anew, sequence: 2, storedAt: 3_000, operation: 'delete' });
    await intent('blue', { ...anew, sequence: 3, storedAt: 4_000 });
    expect(laboratory.stored()).toHaveLength(1);
  });

  it('that is older than the last one that was obeyed is refused, also when the clock was set back in between', async () => {
    const { intent } = bound(await open());
    await intent('blue', { sequence: 8, storedAt: 500, messageId: null, mtu: 1400 });
    await intent('blue', { sequence: 7, storedAt: 1_000, messageId: null, mtu: 1500 });
    expect(laboratory.stored()).toMatchObject([{ spec: { mtu: 1400 } }]);
    await laboratory.published();
    expect(reasonOf(laboratory.event('blue', 'refused'))).toBe('SUPERSEDED');
  });

  it('that the store does not take is delivered again, and nothing of it is lost or doubled', async () => {
    const { intent, delivery } = bound(await open());
    await intent('blue', { mtu: 1400 });
    const deliveries = [delivery('blue', { mtu: 1500 }), delivery('green'), delivery('red')];
    laboratory.store.isDiskFull = true;
    const failed = await Promise.all(deliveries.map((one) => laboratory.service.handleIntent(one)));
    expect(failed).toEqual(deliveries.map(() => ({ kind: 'retry', reason: 'database or disk is full' })));
    expect(laboratory.domain.networks()).toEqual(laboratory.stored());
    laboratory.store.isDiskFull = false;
    const again = deliveries.map((one) => laboratory.service.handleIntent({ ...one, deliveries: 2 }));
    expect(await Promise.all(again)).toEqual(deliveries.map(() => ({ kind: 'ack' })));
    expect(laboratory.domain.networks()).toEqual(laboratory.stored());
    expect(laboratory.stored().map(({ metadata }) => metadata.name)).toEqual(['blue', 'green', 'red']);
    await laboratory.published();
    expect(laboratory.events).toHaveLength(4);
  });

  it('is refused alone when it can be neither decided nor written: its neighbours are obeyed', async () => {
    const { intent } = bound(await open());
    laboratory.domain.poisoned.add('red');
    const names = ['blue', 'red', 'green'];
    const settlements = await Promise.all(names.map((name) => intent(name)));
    expect(settlements).toEqual(names.map(() => ({ kind: 'ack' })));
    expect(laboratory.stored().map(({ metadata }) => metadata.name)).toEqual(['blue', 'green']);
    expect(laboratory.domain.networks()).toHaveLength(2);
    await laboratory.published();
    expect(laboratory.event('red', 'refused').json).toMatchObject({
      status: 'INTERNAL',
      message: 'a bug of the domain',
    });
  });

  it('that no message could tell of is refused, and the outbox goes on', async () => {
    const { intent } = bound(await open());
    // Twice in every resource: in its condition, and in the one that is computed from it.
    laboratory.domain.padding = ' '.repeat(MAX_BODY_BYTES / 2 - 1_000);
    await intent('blue');
    laboratory.domain.padding = ' '.repeat(MAX_BODY_BYTES / 2);
    await intent('green');
    expect(laboratory.stored().map(({ metadata }) => metadata.name)).toEqual(['blue']);
    await laboratory.published();
    expect(reasonOf(laboratory.event('green', 'refused'))).toBe('MESSAGE_TOO_LARGE');
  });
});

describe('bad input of an intent', () => {
  let laboratory: Laboratory;
  afterEach(() => laboratory.close());

  it.each<[string, string, IntentOptions, string | object]>([
    ['a body that disagrees with the subject', 'blue', { body: manifest('green') }, 'metadata.name'],
    ['a tenant that disagrees', 'blue', { body: manifest('blue', { tenant: 'evil' }) }, 'metadata.tenant'],
    ['a kind that disagrees', 'blue', { body: '{"kind":"Port"}' }, 'kind'],
    ['an unknown kind', 'blue', { kind: 'cactus' }, 'UNKNOWN_KIND'],
    ['a kind of another service', 'blue', { kind: 'dpu' }, 'UNKNOWN_KIND'],
    ['an unknown field', 'blue', { body: '{"kind":"Network","spec":{"colour":1}}' }, 'spec.colour'],
    ['a wrong type', 'blue', { body: '{"kind":"Network","spec":{"mtu":"big"}}' }, 'spec.mtu'],
    ['no JSON', 'blue', { body: 'apiVersion: yaml' }, ''],
    ['an empty body', 'blue', { body: '' }, ''],
    ['an array', 'blue', { body: '[]' }, ''],
    ['null', 'blue', { body: 'null' }, ''],
    ['bytes that are no UTF-8', 'blue', { body: Uint8Array.of(0xff, 0xfe, 0) }, ''],
    ['too large a body', 'blue', { body: 'x'.repeat(MAX_BODY_BYTES + 1) }, 'BODY_TOO_LARGE'],
    ['an unknown operation', 'blue', { operation: 'replace' }, HEADERS.operation],
    ['an operation of nothing', 'blue', { operation: '' }, HEADERS.operation],
    ['a tenant that stands for none', 'blue', { tenant: '_' }, 'metadata.tenant'],
    ['an id with a space', 'blue', { messageId: 'a b' }, HEADERS.messageId],
    ['an id of nothing', 'blue', { messageId: '' }, HEADERS.messageId],
    ['too long an id', 'blue', { messageId: 'x'.repeat(257) }, HEADERS.messageId],
    ['an id beyond ASCII', 'blue', { messageId: 'ä' }, HEADERS.messageId],
    ['a caller of nothing', 'blue', { headers: { [HEADERS.requestedBy]: '' } }, HEADERS.requestedBy],
    ['a caller beyond ASCII', 'blue', { headers: { [HEADERS.requestedBy]: 'Zoë' } }, HEADERS.requestedBy],
    ['a caller of two lines', 'blue', { headers: { [HEADERS.requestedBy]: 'a\nb' } }, HEADERS.requestedBy],
    [
      'too long a caller',
      'blue',
      { headers: { [HEADERS.requestedBy]: 'x'.repeat(257) } },
      HEADERS.requestedBy,
    ],
    ['a name in the body of a delete', 'blue', { operation: 'delete', body: '{"name":"red"}' }, 'name'],
    ['no JSON in a delete', 'blue', { operation: 'delete', body: '{' }, ''],
  ])('%s is refused by an event that names the field or the reason', async (_, name, options, field) => {
    laboratory = await Laboratory.open();
    expect(await laboratory.intent(name, options)).toEqual({ kind: 'ack' });
    expect(laboratory.stored()).toEqual([]);
    await laboratory.published();
    const { json } = laboratory.event(name, 'refused');
    const fields = JSON.stringify(json.details).match(/"(field|reason)":"[^"]*"/g) ?? [];
    expect(fields.join()).toContain(`"${field}"`);
    expect(await laboratory.intent(name)).toEqual({ kind: 'ack' });
    expect(laboratory.stored()).toHaveLength(1);
  });

  it('names every problem of a manifest at once, up to a hundred, and their number', async () => {
    laboratory = await Laboratory.open();
    const labels = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`-${index}`, 'value']));
    await laboratory.intent('blue', { labels });
    await laboratory.published();
    const { json } = laboratory.event('blue', 'refused');
    expect(json.message).toBe('1001 problems');
    expect(JSON.stringify(json).match(/"field":/g)).toHaveLength(100);
  });

  it.each([
    'outboard.v1alpha1.intent.acme.network.network.Blue',
    'outboard.v1alpha1.intent.acme.network.network.blue.extra',
    'outboard.v1alpha1.intent.acme.network.network._',
    'outboard.v1alpha1.intent.acme.storage.volume.blue',
    'outboard.v1alpha1.intent.acme.network.network.b*e',
  ])('%s names nothing that could be answered: the message is parked', async (subject) => {
    laboratory = await Laboratory.open();
    const settlement = await laboratory.service.handleIntent({ ...laboratory.delivery('blue'), subject });
    expect(settlement).toEqual({ kind: 'park', reason: `${subject} is not the subject of an intent` });
    expect(laboratory.store.commits).toBe(1);
  });

  it('a trace context is passed on only in its own form', async () => {
    laboratory = await Laboratory.open();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await laboratory.intent('blue', { headers: { traceparent } });
    await laboratory.intent('green', { headers: { traceparent: 'x'.repeat(20_000) } });
    await laboratory.published();
    expect(laboratory.event('blue', 'accepted').headers.traceparent).toBe(traceparent);
    expect(laboratory.event('green', 'accepted').headers).not.toHaveProperty('traceparent');
  });
});

/** Its methods as functions. */
const bound = (laboratory: Laboratory) => ({
  intent: laboratory.intent.bind(laboratory),
  request: laboratory.request.bind(laboratory),
  delivery: laboratory.delivery.bind(laboratory),
});
