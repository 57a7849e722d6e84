import {
  create,
  createFileRegistry,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from '@jest/globals';
import { Problems, unwrap } from '@outboard/core';
import fc from 'fast-check';
import {
  decodeJson,
  encodeJson,
  formatPath,
  MAX_BODY_BYTES,
  MAX_JSON_DEPTH,
  MAX_JSON_VALUES,
  PortSchema,
  WorkloadConfigurationSchema,
} from './index.js';
import { findJsonFault, parseJsonText } from './json-text.js';

/** A Port intent: the example of the architecture, verbatim. */
const PORT = `{"apiVersion":"network.outboard.dev/v1alpha1","kind":"Port","metadata":{"tenant":"acme","name":"web-0","labels":{"app":"web"}},
 "spec":{"network":"blue","function":{"serialNumber":"MT2113X00042","pfMacAddress":"08:c0:eb:8a:d7:8a","vfNumber":3},
  "addresses":[{"subnet":"blue-v4","ip":"10.0.1.5"},{"subnet":"blue-v6"}],"macAddress":"02:00:5e:00:10:05",
  "securityPolicies":["web"],"allowedAddressPairs":[],"adminState":"UP","offload":"PREFERRED"}}`;

/** Its ready event, verbatim. */
const READY = `{"apiVersion":"network.outboard.dev/v1alpha1","kind":"Port","metadata":{"tenant":"acme","name":"web-0","uid":"0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11","generation":3,"resourceVersion":"1042"},
 "status":{"observedGeneration":3,"dpu":"dpu-7","representor":"pf0vf3","mtu":1450,"addresses":[{"subnet":"blue-v4","ip":"10.0.1.5","prefixLength":24,"gateway":"10.0.1.1"}],
  "segment":{"networkType":"GENEVE","segmentationId":5001},"offload":{"state":"SOFTWARE","reason":"NoHardware"},
  "conditions":[{"type":"Ready","status":"True","reason":"AppliedAndReadBack","observedGeneration":3,"lastTransitionTime":"2026-11-22T10:08:00Z","message":"1 of 1 DPU"}]}}`;

/** A message type with every shape of field that the reader knows, and that contains itself. */
const EVERYTHING = ((): DescMessage => {
  const scalars = Object.entries({
    text: Type.STRING,
    flag: Type.BOOL,
    data: Type.BYTES,
    unsigned32: Type.UINT32,
    fixed32: Type.FIXED32,
    signed32: Type.INT32,
    zigzag32: Type.SINT32,
    unsigned64: Type.UINT64,
    signed64: Type.INT64,
  });
  const typeName = '.test.Everything';
  const field = (name: string, type: Type, rest: object = {}) => ({
    name,
    jsonName: name,
    type,
    label: Label.OPTIONAL,
    ...rest,
  });
  const fields = [
    ...scalars.map(([name, type]) => field(name, type)),
    ...scalars.map(([name, type]) => field(`${name}List`, type, { label: Label.REPEATED })),
    field('colour', Type.ENUM, { typeName: '.test.Colour' }),
    field('child', Type.MESSAGE, { typeName }),
    field('children', Type.MESSAGE, { typeName, label: Label.REPEATED }),
    field('map', Type.MESSAGE, { typeName: `${typeName}.MapEntry`, label: Label.REPEATED }),
    field('left', Type.STRING, { oneofIndex: 0 }),
    field('right', Type.MESSAGE, { typeName, oneofIndex: 0 }),
  ];
  const file = create(FileDescriptorProtoSchema, {
    name: 'test.proto',
    package: 'test',
    syntax: 'proto3',
    enumType: [
      {
        name: 'Colour',
        value: [
          { name: 'UNSPECIFIED', number: 0 },
          { name: 'BLUE', number: 1 },
        ],
      },
    ],
    messageType: [
      {
        name: 'Everything',
        field: fields.map((item, index) => ({ ...item, number: index + 1 })),
        oneofDecl: [{ name: 'side' }],
        nestedType: [
          {
            name: 'MapEntry',
            options: { mapEntry: true },
            field: [
              { ...field('key', Type.STRING), number: 1 },
              { ...field('value', Type.STRING), number: 2 },
            ],
          },
        ],
      },
    ],
  });
  const message = createFileRegistry(file, () => undefined).getMessage('test.Everything');
  if (message === undefined) throw new Error('the test type is missing');
  return message;
})();

const problemsOf = (schema: DescMessage, input: unknown): Problems['violations'] => {
  const result = decodeJson(schema, input);
  return result.ok ? [] : result.error.violations;
};

const leaf = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 5 }),
  fc.constantFrom(
    'BLUE',
    'AAE=',
    '-_8',
    '18446744073709551615',
    '18446744073709551616',
    '-9223372036854775808',
  ),
  fc.integer(),
  fc.double(),
  fc.bigInt({ min: 0n, max: 2n ** 65n }).map(String),
  fc.boolean(),
  fc.constant(null),
);

/** Mostly what the schema asks for, with wrong values and names strewn in. */
function jsonFor(schema: DescMessage, depth = 0): fc.Arbitrary<unknown> {
  const value = (field: DescField): fc.Arbitrary<unknown> => {
    if (field.message !== undefined) return depth < 2 ? jsonFor(field.message, depth + 1) : leaf;
    if (field.scalar === ScalarType.STRING) return fc.string({ maxLength: 5 });
    if (field.scalar === ScalarType.BOOL) return fc.boolean();
    if (field.scalar === ScalarType.UINT32) return fc.nat();
    return leaf;
  };
  const shape = (field: DescField): fc.Arbitrary<unknown> => {
    if (field.fieldKind === 'list') return fc.array(value(field), { maxLength: 2 });
    if (field.fieldKind === 'map')
      return fc.dictionary(fc.string({ maxLength: 9 }), value(field), { maxKeys: 2 });
    return value(field);
  };
  const entries = schema.fields.map((field) =>
    fc.tuple(
      fc.constant(field.jsonName),
      fc.oneof({ weight: 15, arbitrary: shape(field) }, { weight: 1, arbitrary: leaf }),
    ),
  );
  // Few fields at once, or hardly anything would be accepted.
  const few = fc.array(fc.oneof(...entries), { maxLength: 3 }).map((chosen) => Object.fromEntries(chosen));
  return fc.oneof({ weight: 12, arbitrary: few }, { weight: 1, arbitrary: fc.jsonValue() });
}

describe('JSON of messages', () => {
  it.each([
    ['intent', PORT],
    ['ready event', READY],
  ])('the documented Port %s is accepted and written as it was read', (_, text) => {
    const result = decodeJson(PortSchema, text);
    if (!result.ok) throw result.error.toError();
    const { allowedAddressPairs, ...spec } = JSON.parse(text).spec ?? {};
    expect(allowedAddressPairs ?? []).toEqual([]);
    const expected = { ...JSON.parse(text), ...(text === PORT ? { spec } : {}) };
    expect(JSON.parse(encodeJson(PortSchema, result.value))).toEqual(expected);
  });

  it('tells every problem with its path', () => {
    const violations = problemsOf(PortSchema, {
      kind: 7,
      metadata: { labels: { 'app.kubernetes.io/name': 1, app: null } },
      spec: {
        mac_address: '02:00:5e:00:10:05',
        function: { vfNumber: 2 ** 32, pfMacAdress: '' },
        addresses: [{ subnet: 'blue' }, { ip: false }, 'blue', null],
        securityPolicies: {},
        colour: 'blue',
      },
      status: [],
    });
    expect(violations).toEqual([
      { field: 'kind', description: 'must be a string, not a number' },
      { field: 'metadata.labels["app.kubernetes.io/name"]', description: 'must be a string, not a number' },
      { field: 'metadata.labels.app', description: 'must be a string, not null' },
      {
        field: 'spec.mac_address',
        description: 'is not a field of PortSpec; did you mean macAddress?',
      },
      { field: 'spec.function.vfNumber', description: 'must be a whole number from 0 to 4294967295' },
      {
        field: 'spec.function.pfMacAdress',
        description: 'is not a field of FunctionIdentity; did you mean pfMacAddress?',
      },
      { field: 'spec.addresses[1].ip', description: 'must be a string, not a boolean' },
      { field: 'spec.addresses[2]', description: 'must be an object, not a string' },
      { field: 'spec.addresses[3]', description: 'must be an object, not null' },
      { field: 'spec.securityPolicies', description: 'must be a list, not an object' },
      { field: 'spec.colour', description: 'is not a field of PortSpec' },
      { field: 'status', description: 'must be an object, not a list' },
    ]);
  });

  it('takes any JSON object where a message has no fields of its own, within the bounds of every input', () => {
    const spec = (configuration: unknown) => ({ spec: { workload: 'fw', interface: 'fw', configuration } });
    const any = { rules: [{ name: 'web', port: 443, on: true, none: null }], __proto__2: {} };
    expect(unwrap(decodeJson(WorkloadConfigurationSchema, spec(any))).spec?.configuration).toEqual(any);
    let deep: unknown = {};
    for (let depth = 0; depth < 40; depth++) deep = { a: deep };
    for (const [wrong, rule] of [
      ['text', 'must be an object, not a string'],
      [{ a: '\ud800' }, 'must be well-formed Unicode'],
      [deep, 'is nested deeper than 32'],
      [{ a: Array(MAX_JSON_VALUES).fill(0) }, 'must hold at most 10000 values'],
    ] as const) {
      const problems = problemsOf(WorkloadConfigurationSchema, spec(wrong));
      expect(problems.map(({ description }) => description)).toEqual([rule]);
    }
  });

  it('null means absent', () => {
    const result = decodeJson(PortSchema, { kind: null, spec: { function: null, addresses: null } });
    expect(result).toEqual(decodeJson(PortSchema, { spec: {} }));
    expect(result.ok).toBe(true);
  });

  it('lists 100 of 1,000 problems and tells the total', () => {
    const unknown = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field${index}`, index]));
    const result = decodeJson(PortSchema, { spec: unknown });
    if (result.ok) throw new Error('accepted');
    expect(result.error.violations).toHaveLength(100);
    expect(result.error.total).toBe(1000);
  });

  it('refuses more than it can hold: bytes, values, nesting', () => {
    const nested = (depth: number): unknown => (depth === 0 ? {} : { child: nested(depth - 1) });
    expect(problemsOf(PortSchema, `"${'x'.repeat(MAX_BODY_BYTES)}"`)).toMatchObject([{ field: '' }]);
    expect(problemsOf(PortSchema, new Uint8Array(MAX_BODY_BYTES + 1))).toMatchObject([{ field: '' }]);
    const many = Array.from({ length: MAX_JSON_VALUES + 1 }, () => 'x');
    expect(problemsOf(PortSchema, { spec: { securityPolicies: many } })).toEqual([
      { field: '', description: 'must hold at most 10000 values' },
    ]);
    expect(problemsOf(EVERYTHING, nested(MAX_JSON_DEPTH))).toEqual([]);
    expect(problemsOf(EVERYTHING, nested(MAX_JSON_DEPTH + 1))).toEqual([
      { field: formatPath(Array(MAX_JSON_DEPTH + 1).fill('child')), description: 'is nested deeper than 32' },
    ]);
  });

  it.each([
    { left: 'a', right: {} },
    { left: '', right: null },
    { left: null, right: null },
  ])('refuses both members of a oneof: %j', (json) => {
    expect(problemsOf(EVERYTHING, json)).toEqual([
      { field: 'right', description: 'only one of left, right may be set' },
    ]);
  });

  it('keeps a key that JavaScript treats specially', () => {
    const result = decodeJson(PortSchema, '{"metadata":{"labels":{"__proto__":"x","constructor":"y"}}}');
    if (!result.ok) throw result.error.toError();
    expect(Object.entries(result.value.metadata?.labels ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  it.each([
    ['{"kind":}', 'is not valid JSON: expected a value at line 1, column 9'],
    ['', 'is not valid JSON: expected a value at line 1, column 1'],
    ['{"kind":"Port"', 'is not valid JSON: expected , or } at line 1, column 15'],
    ['{\n  "kind": "Port",\n}', 'is not valid JSON: expected a key at line 3, column 1'],
    ['{"kind":"Port"} x', 'is not valid JSON: expected the end at line 1, column 17'],
    ['{"kind":"a\nb"}', 'is not valid JSON: control character in a string at line 1, column 11'],
    ['{"kind":"a","kind":"b"}', 'is not valid JSON: key "kind" given twice at line 1, column 13'],
    ['{"kind":"a","\\u006bind":"b"}', 'is not valid JSON: key "kind" given twice at line 1, column 13'],
    ['[]', 'must be an object, not a list'],
    ['null', 'must be an object, not null'],
  ])('the text %j is refused with the place', (text, description) => {
    expect(problemsOf(PortSchema, text)).toEqual([{ field: '', description }]);
    expect(problemsOf(PortSchema, new TextEncoder().encode(text))).toEqual([{ field: '', description }]);
  });

  it('refuses bytes that are not UTF-8 and strings that no UTF-8 can carry', () => {
    expect(problemsOf(PortSchema, Uint8Array.of(0x22, 0xff, 0x22))).toEqual([
      { field: '', description: 'is not valid UTF-8' },
    ]);
    expect(problemsOf(PortSchema, '{"kind":"\\ud800"}')).toEqual([
      { field: 'kind', description: 'must be well-formed Unicode' },
    ]);
  });

  it('finds a fault in a text exactly where JSON.parse refuses it or a key is repeated', () => {
    const mutilated = fc
      .tuple(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.nat({ max: 3 }),
        fc.constantFrom('', '"', '\\', ',', '}', '0', '\n'),
      )
      .map(([text, at, length, insert]) => {
        const start = at % (text.length + 1);
        return text.slice(0, start) + insert + text.slice(start + length);
      });
    fc.assert(
      fc.property(fc.oneof(mutilated, fc.json({ noUnicodeString: false }), fc.string()), (text) => {
        const fault = findJsonFault(text);
        let parses = true;
        try {
          JSON.parse(text);
        } catch {
          parses = false;
        }
        if (fault === undefined || !fault.description.endsWith('given twice')) {
          expect(fault === undefined).toBe(parses);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('gives the value of a text exactly where it has no fault', () => {
    const key = fc.constantFrom('"a"', '"\\u0061"', '"\\""', '"\\\\"', '":"', '"__proto__"');
    const { value: text } = fc.letrec<{ value: string; object: string }>((tie) => ({
      object: fc
        .array(fc.tuple(key, fc.constantFrom(':', ' :\n'), tie('value')), { maxLength: 4 })
        .map((entries) => `{${entries.map((entry) => entry.join('')).join(', ')}}`),
      value: fc.oneof(
        { maxDepth: 3 },
        key,
        tie('object'),
        tie('object').map((object) => `[${object},1]`),
      ),
    }));
    let repeated = 0;
    fc.assert(
      fc.property(text, (json) => {
        const problems = new Problems();
        const value = parseJsonText(json, problems);
        const fault = findJsonFault(json);
        if (fault !== undefined) repeated++;
        expect(problems.total).toBe(fault === undefined ? 0 : 1);
        expect(value).toEqual(fault === undefined ? JSON.parse(json) : undefined);
      }),
      { numRuns: 1000 },
    );
    expect(repeated).toBeGreaterThan(50);
  });

  it('takes any nesting of text without overflowing the stack', () => {
    expect(problemsOf(PortSchema, '['.repeat(200_000))).toHaveLength(1);
    expect(problemsOf(PortSchema, `{"spec":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toEqual([
      { field: 'spec', description: 'must be an object, not a list' },
    ]);
  });

  it('never throws, and what it accepts protobuf-es reads as the same message', () => {
    let accepted = 0;
    let refused = 0;
    for (const schema of [EVERYTHING, PortSchema]) {
      fc.assert(
        fc.property(jsonFor(schema), (json) => {
          const result = decodeJson(schema, json);
          if (!result.ok) {
            refused++;
            expect(result.error.total).toBeGreaterThan(0);
            return;
          }
          accepted++;
          expect(toJson(schema, result.value)).toEqual(toJson(schema, fromJson(schema, json as JsonValue)));
        }),
        { numRuns: 2000 },
      );
    }
    expect(Math.min(accepted, refused)).toBeGreaterThan(500);
  });

  it('never throws on arbitrary bytes and values', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }), fc.anything()), (input) => {
        expect(typeof decodeJson(PortSchema, input).ok).toBe('boolean');
      }),
    );
  });
});
