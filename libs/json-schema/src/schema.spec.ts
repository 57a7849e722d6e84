import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { compileSchema } from './index.js';

const RULES = {
  type: 'object',
  required: ['action'],
  additionalProperties: false,
  properties: {
    action: { enum: ['ACCEPT', 'DROP'] },
    ports: { type: 'array', items: { $ref: '#/$defs/port' } },
  },
  $defs: { port: { type: 'integer', minimum: 1, maximum: 65_535 } },
};

const nested = (depth: number): object => (depth === 0 ? {} : { properties: { a: nested(depth - 1) } });

it('tells every problem of a value with its path and the rule', () => {
  const schema = unwrap(compileSchema(RULES));
  expect(schema.problemsOf({ action: 'DROP', ports: [1, 443] })).toEqual([]);
  expect(schema.problemsOf({ action: 'HOLD', ports: [0], colour: 1 }, 'spec.configuration')).toEqual([
    { field: 'spec.configuration.colour', description: 'is not a property that the schema knows' },
    { field: 'spec.configuration.action', description: 'must be one of "ACCEPT","DROP"' },
    { field: 'spec.configuration.ports[0]', description: 'must be >= 1' },
  ]);
});

describe('a schema is refused that', () => {
  it.each([
    ['is none', 'text', 'must be an object'],
    ['has a keyword that nobody knows', { typo: 1 }, 'unknown keyword: "typo"'],
    ['refers to another one', { $ref: 'https://example.org/x.json' }, "can't resolve reference"],
    ['is nested too deep', nested(40), 'must not be nested deeper than 32'],
    ['is too large', { description: 'x'.repeat(70_000) }, 'must have at most 65536 bytes'],
    ['has a pattern that is none', { pattern: '(' }, 'Invalid regular expression'],
    ['is asynchronous', { $async: true }, 'asynchronous'],
  ])('%s', (_, schema, rule) => {
    const refused = compileSchema(schema, 'configuration');
    expect(refused.ok ? 'accepted' : refused.error.violations[0]?.description).toContain(rule);
  });
});

describe('a hostile schema costs a bounded time', () => {
  it('when its pattern backtracks for ever', () => {
    const schema = unwrap(compileSchema({ pattern: '^(a+)+$' }));
    expect(schema.problemsOf(`${'a'.repeat(60)}!`)).toEqual([
      { field: '', description: 'cannot be held against the schema: takes more than 500 ms' },
    ]);
  });

  it('when it branches without end', () => {
    const names = [...Array(30).keys()];
    const $defs = Object.fromEntries([
      ...names.map((name) => [
        `d${name}`,
        { allOf: [{ $ref: `#/$defs/d${name + 1}` }, { $ref: `#/$defs/d${name + 1}` }] },
      ]),
      ['d30', { type: 'object' }],
    ]);
    const compiled = compileSchema({ $defs, $ref: '#/$defs/d0' });
    const problems = compiled.ok ? compiled.value.problemsOf({}) : compiled.error.violations;
    expect(problems[0]?.description).toContain('takes more than');
  });

  it('when it refers to itself', () => {
    const schema = compileSchema({ $ref: '#' });
    const problems = schema.ok ? schema.value.problemsOf({}) : schema.error.violations;
    expect(problems).toHaveLength(1);
  });

  it('and names no property of the process', () => {
    const name = '"]; globalThis.stolen = true; //';
    const schema = unwrap(compileSchema({ properties: { [name]: { const: name } } }));
    schema.problemsOf({ [name]: 1 });
    expect('stolen' in globalThis).toBe(false);
  });
});
