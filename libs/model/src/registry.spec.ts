import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import fc from 'fast-check';
import { parse as parseYaml } from 'yaml';
import { RESOURCES } from '../test/arbitraries/resources.js';
import { existsInSchema } from '../test/schema-path.js';
import {
  type AnyResource,
  addressOf,
  apiVersionOf,
  checkUpdate,
  decodeResource,
  encodeResource,
  findKind,
  findKindByToken,
  KIND_NAMES,
  KINDS,
  kindOf,
  kindToken,
  parseManifest,
} from './index.js';

const folder = (token: string, file = ''): string =>
  new URL(`./kinds/${token}/${file}`, import.meta.url).pathname;

/** Writes a resource, and reads it as the intent of someone who sends back what was read. */
const sentBack = (resource: AnyResource) => unwrap(parseManifest(JSON.stringify(encodeResource(resource))));

it('every folder of a kind has its line in the registry', () => {
  expect(readdirSync(folder('..', 'kinds')).sort()).toEqual(KINDS.map(kindToken).sort());
});

describe.each(KIND_NAMES)('the kind %s', (name) => {
  const kind = kindOf({ kind: name });
  const token = kindToken(kind);
  const resource: fc.Arbitrary<AnyResource> = RESOURCES[name];

  it('is found by name and by its token in subjects', () => {
    expect(findKind(name)).toBe(kind);
    expect(findKindByToken(token)).toBe(kind);
  });

  it.each(['spec.ts', 'parse.ts', 'wire.ts', 'references.ts', 'conditions.ts', 'kind.ts', 'example.yaml'])(
    'has %s',
    (file) => {
      expect(existsSync(folder(token, file))).toBe(true);
    },
  );

  it('has an example that is accepted', () => {
    const example = parseYaml(readFileSync(folder(token, 'example.yaml'), 'utf8'));
    expect(unwrap(parseManifest(example)).kind).toBe(name);
  });

  it('comes back from its public JSON as it was', () => {
    fc.assert(
      fc.property(resource, (value) => {
        const json = encodeResource(value);
        expect(json).toMatchObject({ apiVersion: apiVersionOf(kind), kind: name });
        expect(unwrap(decodeResource(JSON.stringify(json)))).toEqual(value);
      }),
    );
  });

  it('is accepted as an intent when what was read is sent back, and then changes nothing', () => {
    fc.assert(
      fc.property(resource, (value) => {
        const intent = sentBack(value);
        expect(intent).toEqual({
          kind: name,
          metadata: {
            tenant: value.metadata.tenant,
            name: value.metadata.name,
            labels: value.metadata.labels,
            uid: value.metadata.uid,
            resourceVersion: value.metadata.resourceVersion,
          },
          spec: value.spec,
        });
        const unallocated = { ...value, status: kind.emptyStatus } as AnyResource;
        expect(checkUpdate(unallocated, intent)).toBeUndefined();
      }),
    );
  });

  it('ignores fields of a newer publisher, except in intents', () => {
    fc.assert(
      fc.property(resource, (value) => {
        const { spec, status, ...json } = encodeResource(value);
        const newer = { ...json, spec: { ...spec, colour: 'blue' }, status: { ...status, mood: 'good' } };
        expect(unwrap(decodeResource(newer))).toEqual(value);
        expect(parseManifest(newer)).toMatchObject({
          ok: false,
          error: { violations: [{ field: 'spec.colour' }] },
        });
      }),
      { numRuns: 20 },
    );
  });

  it('names only fields that exist', () => {
    const fields = [...kind.immutable, ...kind.selectable].map(({ field }) => field);
    expect(fields.filter((field) => !existsInSchema(kind.schema, field))).toEqual([]);
  });

  it('references known kinds by fields that exist, and has index entries of its own', () => {
    fc.assert(
      fc.property(resource, (value) => {
        for (const reference of kind.references(value.spec)) {
          expect(findKind(reference.kind)).toBeDefined();
          expect(existsInSchema(kind.schema, reference.field)).toBe(true);
        }
        expect(kind.indexes(value).every(({ index }) => index.startsWith(`${token}.`))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('has conditions that each can come true, and start unknown unless storing makes them true', () => {
    for (const [type, reasons] of Object.entries(kind.reasons)) {
      const statuses = Object.values(reasons).map(({ status }) => status);
      expect(statuses.filter((status) => status === 'True')).toHaveLength(1);
      // A network that is stored is on no DPU yet: there is nothing that could be wrong.
      const isTrueOnceStored = type === 'Accepted' || (kind.kind === 'Network' && type === 'Applied');
      if (!isTrueOnceStored) expect(statuses).toContain('Unknown');
    }
  });

  it('is documented in sentences', () => {
    const texts = Object.values(kind.reasons).flatMap((reasons) =>
      Object.values(reasons).map(({ text }) => text),
    );
    for (const text of [kind.summary, ...kind.rules, ...texts]) expect(text).toMatch(/^[A-Z].*\.$/);
  });

  it('has an address', () => {
    fc.assert(
      fc.property(resource, (value) => {
        expect(addressOf(value)).toEqual({
          tenant: value.metadata.tenant,
          api: kind.api,
          kind: token,
          name: value.metadata.name,
        });
      }),
      { numRuns: 5 },
    );
  });
});
