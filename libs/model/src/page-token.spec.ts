import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodePageToken, encodePageToken, type ListQuery } from './index.js';

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?$/);
const query: fc.Arbitrary<ListQuery> = fc.record({
  kind: fc.constantFrom('Port', 'Network'),
  tenant: fc.option(label, { nil: undefined }),
  labelSelector: fc.constantFrom('', 'app=web', 'app=db'),
  fieldSelector: fc.constantFrom('', 'spec.network=blue'),
});
const position = fc.record({ tenant: fc.oneof(label, fc.constant('_')), name: label });

const RULE = 'must be a page token of this list, as it was given';

describe('a page token', () => {
  it('gives back the position to the same question, and to no other', () => {
    fc.assert(
      fc.property(query, query, position, (asked, other, at) => {
        const token = encodePageToken(asked, at);
        expect(decodePageToken(asked, token)).toEqual({ ok: true, value: at });
        if (JSON.stringify(asked) !== JSON.stringify(other)) {
          expect(decodePageToken(other, token)).toEqual({ ok: false, error: RULE });
        }
      }),
    );
  });

  it('made of anything else is refused', () => {
    fc.assert(
      fc.property(query, fc.string({ unit: 'binary' }), (asked, text) => {
        expect(decodePageToken(asked, text)).toEqual({ ok: false, error: RULE });
        const valid = encodePageToken(asked, { tenant: 'acme', name: 'web-0' });
        expect(decodePageToken(asked, `${valid}.${text}`).ok).toBe(false);
        expect(decodePageToken(asked, valid.slice(1)).ok).toBe(false);
      }),
    );
  });
});
