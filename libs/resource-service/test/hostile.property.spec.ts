import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HEADERS, type Verb } from '@outboard/contracts';
import fc from 'fast-check';
import { Laboratory, manifest } from './laboratory.js';

const TOKEN = fc.oneof(
  fc.constantFrom('acme', '_', 'network', 'port', 'dpu', 'blue', 'apply', '*', '>', ''),
  fc.string({ maxLength: 70 }),
);
const SUBJECT = fc.oneof(
  fc.array(TOKEN, { maxLength: 8 }).map((tokens) => tokens.join('.')),
  fc
    .tuple(fc.constantFrom('intent', 'rpc'), fc.array(TOKEN, { minLength: 4, maxLength: 4 }))
    .map(([channel, tokens]) => `outboard.v1alpha1.${channel}.${tokens.join('.')}`),
);
/** Bytes, JSON of any shape, and manifests in which one thing is anything. */
const BODY = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text)),
  fc
    .tuple(fc.constantFrom('apiVersion', 'kind', 'metadata', 'spec', 'status'), fc.jsonValue({ maxDepth: 3 }))
    .map(([field, value]) =>
      Buffer.from(JSON.stringify({ ...JSON.parse(manifest('blue')), [field]: value })),
    ),
  fc
    .tuple(
      fc.constantFrom('name', 'tenant', 'uid', 'labels', 'resourceVersion'),
      fc.jsonValue({ maxDepth: 2 }),
    )
    .map(([field, value]) => Buffer.from(manifest('blue', { metadata: { [field]: value } }))),
);
const HEADER_VALUES = fc.record(
  {
    [HEADERS.messageId]: fc.string({ maxLength: 300 }),
    [HEADERS.operation]: fc.oneof(fc.constantFrom('apply', 'delete'), fc.string()),
    [HEADERS.traceparent]: fc.string(),
    [HEADERS.deadSequence]: fc.oneof(fc.string(), fc.integer().map(String)),
  },
  { requiredKeys: [] },
);
const VERB = fc.constantFrom<Verb>('get', 'list', 'create', 'update', 'apply', 'delete', 'plan');

describe('whatever arrives', () => {
  let laboratory: Laboratory;
  beforeEach(async () => {
    laboratory = await Laboratory.open();
    await laboratory.intent('standing');
    await laboratory.published();
  });
  afterEach(() => laboratory.close());

  /** The projection is the store, whatever that holds. */
  const isSound = (): void => {
    const byName = (one: { metadata: { name: string } }, other: { metadata: { name: string } }): number =>
      one.metadata.name < other.metadata.name ? -1 : 1;
    expect([...laboratory.domain.networks()].sort(byName)).toEqual([...laboratory.stored()].sort(byName));
  };

  it('as an intent is settled, without a throw; what is refused stores no resource', async () => {
    await fc.assert(
      fc.asyncProperty(SUBJECT, HEADER_VALUES, BODY, async (subject, headers, body) => {
        const delivery = { ...laboratory.delivery('blue'), subject, body };
        const before = laboratory.rows();
        const settlement = await laboratory.service.handleIntent({ ...delivery, headers });
        expect(settlement.kind).not.toBe('retry');
        if (settlement.kind === 'park') expect(laboratory.rows()).toEqual(before);
        isSound();
      }),
      { numRuns: 300 },
    );
    await laboratory.published();
  });

  it('as an intent on a resource is answered: accepted and stored, or refused and not', async () => {
    await fc.assert(
      fc.asyncProperty(HEADER_VALUES, BODY, async (headers, body) => {
        const before = laboratory.rows();
        const answers = laboratory.events.length;
        const settlement = await laboratory.service.handleIntent({
          ...laboratory.delivery('blue'),
          headers,
          body,
        });
        expect(settlement).toEqual({ kind: 'ack' });
        await laboratory.published();
        expect(laboratory.events.length).toBe(answers + 1);
        const transition = laboratory.events.at(-1)?.subject.split('.')[7];
        if (transition === 'refused') expect(laboratory.rows()).toEqual(before);
        isSound();
      }),
      { numRuns: 300 },
    );
  });

  it('as a request is answered, without a throw; a refused one leaves the store as it was', async () => {
    await fc.assert(
      fc.asyncProperty(
        VERB,
        fc.oneof(SUBJECT, fc.constant('')),
        HEADER_VALUES,
        BODY,
        async (verb, any, headers, body) => {
          const subject = any || `outboard.v1alpha1.rpc.acme.network.network.${verb}`;
          const before = laboratory.rows();
          const reply = await laboratory.service.handleRequest({ subject, headers, body });
          if (!reply.ok) {
            expect(reply.error.code).not.toBe('INTERNAL');
            expect(laboratory.rows()).toEqual(before);
          }
          isSound();
        },
      ),
      { numRuns: 500 },
    );
    await laboratory.published();
  });
});
