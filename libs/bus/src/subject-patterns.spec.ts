import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { covers, isPattern, isSubject, matcher, overlaps } from './subject-patterns.js';

const token = fc.constantFrom('a', 'b');
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([tokens, rest]) => [...tokens, ...(rest ? ['>'] : [])].join('.'));
const everySubject = ['a', 'b'].flatMap((one) => [
  one,
  ...['a', 'b'].flatMap((two) => [
    `${one}.${two}`,
    ...['a', 'b'].flatMap((three) => [
      `${one}.${two}.${three}`,
      ...['a', 'b'].map((four) => `${one}.${two}.${three}.${four}`),
    ]),
  ]),
]);

describe('subjects and patterns', () => {
  it('a subject has no wildcards, no empty tokens and no blanks', () => {
    for (const text of ['a', 'a.b-c.1', '$SRV.PING']) expect([text, isSubject(text)]).toEqual([text, true]);
    for (const text of [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      'a b',
      'a.*',
      '>',
      'a\n',
      'a*b',
      `${'a.'.repeat(300)}a`,
    ]) {
      expect([text, isSubject(text)]).toEqual([text, false]);
    }
  });

  it('a pattern may hold * as a whole token and > as the last one', () => {
    for (const text of ['a', '*', '>', 'a.*.b', 'a.>', '*.*'])
      expect([text, isPattern(text)]).toEqual([text, true]);
    for (const text of ['', 'a.>.b', 'a.b*', '>.a', 'a..>', 'a >'])
      expect([text, isPattern(text)]).toEqual([text, false]);
  });

  it('* matches exactly one token, > one or more', () => {
    expect(['a', 'a.b', 'a.b.c'].map(matcher('a.*'))).toEqual([false, true, false]);
    expect(['a', 'a.b', 'a.b.c'].map(matcher('a.>'))).toEqual([false, true, true]);
    expect(['a', 'a.b'].map(matcher('a'))).toEqual([true, false]);
  });

  it('two patterns overlap exactly when a subject matches both', () => {
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const both = everySubject.some((text) => matcher(one)(text) && matcher(other)(text));
        expect(overlaps(one, other)).toBe(both);
      }),
    );
  });

  it('what a pattern covers it matches', () => {
    fc.assert(
      fc.property(pattern, pattern, subject, (outer, inner, text) => {
        if (covers(outer, inner) && matcher(inner)(text)) expect(matcher(outer)(text)).toBe(true);
      }),
    );
    expect(covers('a.>', 'a.*.b')).toBe(true);
    expect(covers('a.*', 'a.>')).toBe(false);
    expect(covers('a.*', 'a.b')).toBe(true);
  });
});
