import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { DataplaneObjectSchema } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import type { DriverObject, Realisation } from '../driver.js';
import * as d from '../testing/documents.js';
import type { LinuxSpec, PolicyChainSpec } from './linux-objects.js';
import { realiseLinux } from './realise.js';

const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';

function realise(
  [key, bytes]: d.Entry,
  others: readonly d.Entry[] = [],
  lacks: ReadonlyMap<string, string> = new Map(),
): Realisation<LinuxSpec> {
  const parse = (found: Uint8Array) => fromBinary(DataplaneObjectSchema, found);
  const known = new Map([d.bridgeDomain(NET), ...others]);
  const resolve = (reference: string) => {
    const found = known.get(reference);
    return found && parse(found);
  };
  const underlay = { device: 'p0', address: '10.254.0.1', mtu: 1600 };
  return realiseLinux(key, parse(bytes), resolve, { dpu: 'dpu-1', underlay, lacks });
}

function objectsOf(entry: d.Entry, others?: readonly d.Entry[]): readonly DriverObject<LinuxSpec>[] {
  const realisation = realise(entry, others);
  if (realisation.kind !== 'realised') throw new Error(JSON.stringify(realisation));
  return realisation.objects;
}

function problemsOf(entry: d.Entry, others?: readonly d.Entry[]): string[] {
  try {
    realise(entry, others);
  } catch (failure) {
    if (failure instanceof AppError) return failure.violations.map(({ field }) => field);
    throw failure;
  }
  return [];
}

const endpoint = (fields: d.EndpointFields = {}): d.Entry =>
  d.endpoint('port-1', NET, {
    macAddress: '02:00:5e:00:10:05',
    representor: 'pf0vf0',
    ipAddresses: ['10.0.1.5'],
    ...fields,
  });
const chainsOf = (objects: readonly DriverObject<LinuxSpec>[]): PolicyChainSpec[] =>
  objects.flatMap(({ spec }) => (spec.kind === 'rulechain' || spec.kind === 'portchain' ? [spec] : []));
const allow = (fields: Omit<d.RuleInit, '$typeName'> = {}): d.RuleInit => ({
  name: 'a',
  action: 'ALLOW',
  ...fields,
});

describe('a port', () => {
  it('opens its gate behind all that policies have to say of it, also when they say nothing', () => {
    const policy = d.ruleSet('p', { ingress: [allow()] });
    for (const [fields, others] of [
      [{}, []],
      [{ isolatedEgress: true }, []],
      [{ ruleSets: [d.ruleSetKey('p')], isolatedIngress: true }, [policy]],
    ] as const) {
      const objects = objectsOf(endpoint(fields as d.EndpointFields), others);
      const policies = objects.filter(({ spec }) => /^(policyport|portchain)$/.test(spec.kind));
      expect(policies.length).toBeGreaterThanOrEqual(4);
      for (const gate of objects.filter(({ spec }) => spec.kind === 'gate')) {
        expect(gate.after).toEqual(expect.arrayContaining(policies.map(({ key }) => key)));
      }
    }
  });

  it('jumps to the policies that speak of a direction, in their order, and ends as it is isolated', () => {
    const others = [
      d.ruleSet('first', { tier: 'ADMIN', ingress: [allow()] }),
      d.ruleSet('second', { tier: 'ADMIN', ingress: [allow()], egress: [allow()] }),
      d.ruleSet('normal', { ingress: [allow()] }),
      d.ruleSet('base', { tier: 'BASELINE', ingress: [allow()], egress: [allow()] }),
    ];
    const ruleSets = ['first', 'second', 'normal', 'base'].map(d.ruleSetKey);
    const chains = chainsOf(objectsOf(endpoint({ ruleSets, isolatedIngress: true }), others));
    const verdicts = chains.map(({ rules }) =>
      rules.map((rule) => {
        const last = rule.at(-1);
        return last?.name === 'verdict' ? [last.code, last.chain].filter(Boolean).join(' ') : last?.name;
      }),
    );
    const jumps = others.map((policy) => chainsOf(objectsOf(policy)).map(({ name }) => `jump ${name}`));
    const [[first], [second, sent], [normal], [, base]] = jumps as [string[], string[], string[], string[]];
    expect(verdicts).toEqual([
      [first, second, 'meta', normal, 'drop'],
      [sent, 'meta', base, 'accept'],
    ]);
  });

  it('jumps to other rules as to another policy, and to the same ones under the same name', () => {
    const chainOf = (rules: d.RuleInit[]): string[] => {
      const policy = d.ruleSet('p', { ingress: rules, egress: [allow()] });
      const jumps = chainsOf(objectsOf(endpoint({ ruleSets: [d.ruleSetKey('p')] }), [policy])).flatMap(
        ({ rules }) => rules.flatMap((rule) => rule.flatMap((each) => ('chain' in each ? [each.chain] : []))),
      );
      expect(jumps).toEqual(chainsOf(objectsOf(policy)).map(({ name }) => name));
      return jumps.map(String);
    };
    const [[ingress, egress], again, [denying, ofOthers]] = [
      chainOf([allow()]),
      chainOf([allow()]),
      chainOf([allow({ action: 'DENY' })]),
    ] as [string[], string[], string[]];
    expect(again).toEqual([ingress, egress]);
    expect(denying).not.toBe(ingress);
    expect(ofOthers).toBe(egress);
  });

  it('waits for the policies that apply to it, and is unsupported where none can be enforced', () => {
    const fields = { ruleSets: [d.ruleSetKey('p')] };
    expect(realise(endpoint(fields))).toMatchObject({ kind: 'missing', dependency: 'ruleset/p/main' });
    const policy = d.ruleSet('p', {});
    const no = new Map([['bridge-netfilter', 'it is not loaded']]);
    expect(realise(endpoint(fields), [policy], no)).toMatchObject({
      kind: 'unsupported',
      why: 'policies cannot be enforced here: it is not loaded',
    });
    expect(realise(endpoint({ isolatedIngress: true }), [], no)).toMatchObject({ kind: 'unsupported' });
    expect(realise(endpoint(), [], no)).toMatchObject({ kind: 'realised' });
    for (const entry of [policy, d.addressGroup('g'), d.groupMember('g', '10.0.0.1')]) {
      expect(realise(entry, [d.addressGroup('g')], no)).toMatchObject({ kind: 'unsupported' });
    }
  });

  it('with names for its ports that break a rule is refused', () => {
    const namedPorts = [
      { name: 'http', protocol: 6, port: 80 },
      { name: 'HTTP', protocol: 1, port: 0 },
    ];
    expect(problemsOf(endpoint({ namedPorts }))).toEqual([
      'namedPorts[1].name',
      'namedPorts[1].protocol',
      'namedPorts[1].port',
    ]);
  });
});

describe('a rule set', () => {
  it('has a rule for every peer, family and service that can meet', () => {
    const rules = (fields: Omit<d.RuleInit, '$typeName'>): number =>
      chainsOf(objectsOf(d.ruleSet('p', { ingress: [allow(fields)] }), [d.addressGroup('g')]))[0]?.rules
        .length ?? 0;
    const [tcp, icmp, icmpv6] = [{ protocol: 6 }, { protocol: 1 }, { protocol: 58 }];
    expect(rules({})).toBe(1);
    expect(rules({ services: [tcp, icmp, icmpv6] })).toBe(3);
    expect(rules({ peers: [d.inGroup('g')] })).toBe(2);
    expect(rules({ peers: [d.inGroup('g')], services: [tcp, icmp, icmpv6] })).toBe(4);
    expect(rules({ peers: [d.inPrefix('10.0.0.0/8', '10.1.0.0/16')], services: [tcp, icmpv6] })).toBe(1);
    expect(rules({ services: [{ protocol: 6, portName: 'http' }] })).toBe(2);
  });

  it('stands behind the sets and counters that it names, and waits for groups that are in no document', () => {
    const entry = d.ruleSet('p', { egress: [allow({ peers: [d.inGroup('g')] })] });
    const objects = objectsOf(entry, [d.addressGroup('g')]);
    const chain = objects.find(({ spec }) => spec.kind === 'rulechain');
    const counters = objects.filter(({ spec }) => spec.kind === 'policycounter').map(({ key }) => key);
    const sets = objectsOf(d.addressGroup('g')).map(({ key }) => key);
    expect(chain?.after).toEqual(expect.arrayContaining([...counters, ...sets]));
    expect(realise(entry)).toMatchObject({ kind: 'missing', dependency: 'addressgroup/acme/main/g' });
  });

  it('with anything wrong is refused with every field that is', () => {
    const broken = d.ruleSet('p', {
      ingress: [
        {
          name: 'a',
          action: 'REJECT',
          peers: [d.inPrefix('nowhere'), d.inPrefix('10.0.0.0/8', 'fd00::/8'), {}],
          services: [
            { protocol: 132 },
            { protocol: 6, firstPort: 90, lastPort: 80 },
            { protocol: 17, portName: 'a-name-that-is-too-long' },
          ],
        },
      ],
    });
    expect(problemsOf(broken)).toEqual([
      'ingress[0].action',
      'ingress[0].peers[0].cidr.prefix',
      'ingress[0].peers[1].cidr.except[0]',
      'ingress[0].peers[2]',
      'ingress[0].services[0].protocol',
      'ingress[0].services[1]',
      'ingress[0].services[2].portName',
    ]);
    const services = Array.from({ length: 1101 }, () => ({ protocol: 6 }));
    expect(problemsOf(d.ruleSet('p', { ingress: [allow({ services })] }))).toEqual(['ingress']);
  });
});

describe('a member of a group', () => {
  it('is an element of the set of its family, as an address or a range, and waits for its group', () => {
    const element = (address: string, prefixes: boolean) =>
      objectsOf(d.groupMember('g', address), [d.addressGroup('g', prefixes)])[0]?.spec;
    expect(element('10.0.0.1', false)).toMatchObject({ set: 'group4-g', key: '0a000001' });
    expect(element('fd00::1', false)).toMatchObject({ set: 'group6-g', key: `fd${'00'.repeat(14)}01` });
    expect(element('10.0.0.0/24', true)).toMatchObject({
      set: 'prefixes4-g',
      key: '020000000a000000',
      end: '020000000a0000ff',
    });
    expect(realise(d.groupMember('g', '10.0.0.1'))).toMatchObject({ kind: 'missing' });
  });

  it('that is no address, or a prefix where addresses belong, is refused', () => {
    expect(problemsOf(d.groupMember('g', 'nobody'), [d.addressGroup('g', true)])).toEqual(['address']);
    expect(problemsOf(d.groupMember('g', '10.0.0.0/24'), [d.addressGroup('g')])).toEqual(['address']);
  });
});
