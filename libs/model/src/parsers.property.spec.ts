import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anyResource } from '../test/arbitraries/resources.js';
import { existsInJson, existsInSchema } from '../test/schema-path.js';
import { decodeResource, encodeResource, kindOf, parseManifest } from './index.js';

describe('no input makes a parser throw', () => {
  it('bytes, texts and values', () => {
    const input = fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }), fc.json(), fc.anything());
    fc.assert(
      fc.property(input, (value) => {
        expect(parseManifest(value).ok).toBe(false);
        expect(decodeResource(value).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('damaged manifests; every violation has a path that exists', () => {
    const damage = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('', '10.0.0.0/8', '::', '02:00:5e:00:10:05', 'a.b', 0, 2 ** 32, null, [], {}),
    );
    let refused = 0;
    fc.assert(
      fc.property(
        anyResource,
        fc.array(fc.tuple(fc.nat(), damage), { minLength: 1, maxLength: 4 }),
        (resource, damages) => {
          const json: unknown = JSON.parse(JSON.stringify(encodeResource(resource)));
          for (const [at, value] of damages) damageAt(json, at, value);
          const result = parseManifest(json);
          decodeResource(json);
          if (result.ok) return;
          refused++;
          const { schema } = kindOf(resource);
          for (const { field, description } of result.error.violations) {
            expect(description).not.toBe('');
            expect(existsInSchema(schema, field) || existsInJson(json, field)).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(300);
  });
});

/** Replaces the at-th value of a JSON tree (counted in order, wrapped around), below its root. */
function damageAt(json: unknown, at: number, value: unknown): void {
  const places: [object, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node, key]);
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(json);
  const [node, key] = places[at % places.length] ?? [];
  if (node !== undefined && key !== undefined) (node as Record<string, unknown>)[key] = value;
}
