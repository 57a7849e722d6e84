import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import fc from 'fast-check';
import { RESOURCES } from '../test/arbitraries/resources.js';
import { kindOf, matches, type Name, type Port, parseFieldSelector, parseLabelSelector } from './index.js';

const PORT = kindOf({ kind: 'Port' });
const [sample] = fc.sample(RESOURCES.Port, 1);
if (sample === undefined) throw new Error('no sample');
const port: Port = {
  ...sample,
  metadata: { ...sample.metadata, name: 'web-0' as Name, labels: { app: 'web', 'acme.org/tier': '' } },
  spec: { ...sample.spec, network: 'blue' as Name, function: undefined },
  status: { ...sample.status, dpu: 'dpu-7' as Name },
};

describe('a selector', () => {
  it.each([
    ['', '', true],
    ['app=web', '', true],
    ['app=web,acme.org/tier=', '', true],
    ['app=db', '', false],
    ['app=web, app!=db', '', true],
    ['colour=blue', '', false],
    ['colour!=blue', '', true],
    ['constructor!=blue', '', true],
    ['', 'spec.network=blue', true],
    ['', 'spec.network=blue,status.dpu=dpu-7', true],
    ['', 'spec.network=blue,status.dpu!=dpu-7', false],
    ['', 'metadata.name=web-0', true],
    ['', 'spec.function.serialNumber=X1', false],
    ['app=web', 'spec.network=red', false],
  ])('labels %j and fields %j match: %j', (labelSelector, fieldSelector, expected) => {
    const selector = {
      labels: unwrap(parseLabelSelector(labelSelector)),
      fields: unwrap(parseFieldSelector(PORT, fieldSelector)),
    };
    expect(matches(PORT, selector, port)).toBe(expected);
  });

  it.each([
    ['app', 'must be key=value or key!=value, joined by commas; "app" is neither'],
    ['app=web,', 'must be key=value or key!=value, joined by commas; "" is neither'],
    ['app==web', 'must be key=value or key!=value, joined by commas; "app==web" is neither'],
    ['app in (a)', 'must be key=value or key!=value, joined by commas; "app in (a)" is neither'],
    [
      'a b=c',
      '"a b=c" must have a key of 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit',
    ],
    [
      'app=a b',
      '"app=a b" must be empty, or 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit',
    ],
    ['a=b,'.repeat(17), 'must have at most 16 requirements'],
    ['a'.repeat(1025), 'must be at most 1024 characters long'],
  ])('of labels %j is refused', (text, error) => {
    expect(parseLabelSelector(text)).toEqual({ ok: false, error });
  });

  it('of fields names those that can be selected by', () => {
    expect(parseFieldSelector(PORT, 'spec.offload=NEVER')).toEqual({
      ok: false,
      error: `"spec.offload=NEVER" must select by one of metadata.name, ${PORT.selectable.map(({ field }) => field).join(', ')}`,
    });
  });

  it('is parsed from anything without throwing', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'ab.=!, /') }));
    fc.assert(
      fc.property(text, (candidate) => {
        for (const result of [parseLabelSelector(candidate), parseFieldSelector(PORT, candidate)]) {
          if (!result.ok) expect(result.error).not.toBe('');
        }
      }),
    );
  });
});
