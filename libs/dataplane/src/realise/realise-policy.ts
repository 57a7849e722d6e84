import type { AddressGroup, AddressGroupMember, DestinationPort, RuleSet } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Realisation, Resolve } from '../driver.js';
import { type Prefix, prefixBounds } from './addresses.js';
import { guardKey, policyChainKey, policyCounterKey, policyElementKey, policySetKey } from './linux-keys.js';
import type { LinuxSpec } from './linux-objects.js';
import { namespaceName } from './names.js';
import { parseMember } from './parse-member.js';
import {
  closedRules,
  groupsOf,
  type ParsedRule,
  POLICY_DIRECTIONS,
  type PolicyDirection,
  parseRules,
  resolveGroups,
} from './parse-rule.js';
import {
  elementKind,
  groupId,
  groupKeyLength,
  groupSetName,
  prefixKeyHead,
  ruleChainName,
  ruleCounterName,
} from './policy-names.js';
import { type Expressions, MAX_CHAIN_RULES, paddedName, ruleRules } from './policy-rules.js';
import { NAMED_PORT_SETS } from './port-sets.js';
import { ROUTER_KEY } from './realise-route.js';

const FAMILIES = [4, 6] as const;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A set for each family. */
export function addressGroupObjects(
  key: string,
  { router, prefixes }: AddressGroup,
  dpu: string,
): readonly DriverObject<LinuxSpec>[] {
  const problems = new Problems();
  if (!ROUTER_KEY.test(router)) problems.add('router', 'must be the key of a Router');
  if (problems.total > 0) throw problems.toError();
  const namespace = namespaceName(dpu, router);
  return FAMILIES.map((family) => {
    const name = groupSetName(groupId(key), family, prefixes);
    return {
      key: policySetKey(namespace, name),
      spec: { kind: 'policyset', namespace, name, keyLength: groupKeyLength(family, prefixes), prefixes },
      after: [guardKey(namespace, 'policies')],
      within: guardKey(namespace, 'policies'),
    };
  });
}

/** An element of its group's set, and one for each of its named ports. */
export function addressGroupMember(
  member: AddressGroupMember,
  resolve: Resolve,
  dpu: string,
): Realisation<LinuxSpec> {
  const parsed = parseMember(member, resolve);
  const references = [member.addressGroup];
  if (parsed.kind === 'missing') return { kind: 'missing', dependency: parsed.key, references };
  const { router, prefixes, prefix } = parsed;
  const namespace = namespaceName(dpu, router);
  const family = prefix.bits === 32 ? 4 : 6;
  const set = groupSetName(groupId(member.addressGroup), family, prefixes);
  const { first, last } = prefixBounds(prefix);
  const head = prefixes ? prefixKeyHead(family) : '';
  const key = `${head}${hex(first)}`;
  const ends = prefixes ? { end: `${head}${hex(last)}` } : {};
  const objects: DriverObject<LinuxSpec>[] = [
    {
      key: policyElementKey(namespace, set, key, ends.end),
      spec: { kind: 'policymember', namespace, set, key, ...ends },
      after: [policySetKey(namespace, set)],
      within: policySetKey(namespace, set),
      partOf: policySetKey(namespace, set),
    },
    ...namedPortObjects(namespace, prefix, member.namedPorts),
  ];
  return { kind: 'realised', objects, references };
}

/** What an address calls its ports; whoever tells it, it is the same. */
export const namedPortObjects = (
  namespace: string,
  address: Prefix,
  namedPorts: readonly DestinationPort[],
): DriverObject<LinuxSpec>[] =>
  namedPorts.map(({ name, protocol, port }) => {
    const part = (value: number, digits: number): string =>
      value.toString(16).padStart(digits, '0').padEnd(8, '0');
    const set = NAMED_PORT_SETS[address.bits === 32 ? 4 : 6];
    const { first } = prefixBounds(address);
    const key = `${hex(first)}${part(protocol, 2)}${part(port, 4)}${paddedName(name)}`;
    return {
      key: policyElementKey(namespace, set, key, undefined),
      spec: { kind: elementKind(set), namespace, set, key },
      after: [guardKey(namespace, 'policies')],
      within: guardKey(namespace, 'policies'),
      partOf: policySetKey(namespace, set),
    };
  });

/** A chain for each direction that has rules, behind the sets and counters that these name. */
export function ruleSet(set: RuleSet, resolve: Resolve, dpu: string): Realisation<LinuxSpec> {
  const references = groupsOf(set);
  const known = resolveGroups(references, resolve);
  if (known.kind === 'missing') return { kind: 'missing', dependency: known.key, references };
  const problems = new Problems();
  if (!ROUTER_KEY.test(set.router)) problems.add('router', 'must be the key of a Router');
  const namespace = namespaceName(dpu, set.router);
  const objects = POLICY_DIRECTIONS.flatMap((direction) =>
    directionObjects(set, direction, namespace, known.groups, problems),
  );
  if (problems.total > 0) throw problems.toError();
  return { kind: 'realised', objects, references };
}

function directionObjects(
  set: RuleSet,
  direction: PolicyDirection,
  namespace: string,
  groups: ReadonlyMap<string, AddressGroup>,
  problems: Problems,
): DriverObject<LinuxSpec>[] {
  const own = parseRules(set, direction, groups, problems);
  if (own.length === 0) return [];
  const counters = own.map(({ name }) => ruleCounterName(direction, set.policyUid, name));
  const rulesOf = (parsed: readonly ParsedRule[]): Expressions[] =>
    parsed.flatMap((rule, index) => ruleRules(rule, direction, counters[index] ?? ''));
  const rules = rulesOf(own);
  if (rules.length > MAX_CHAIN_RULES) {
    problems.add(direction, `must be at most ${MAX_CHAIN_RULES} rules of the kernel, not ${rules.length}`);
  }
  const name = ruleChainName(direction, set);
  const home = guardKey(namespace, 'policies');
  const setsOf = (keys: Iterable<string>): string[] =>
    [...keys].flatMap((key) => {
      const prefixes = groups.get(key)?.prefixes ?? false;
      return FAMILIES.map((family) => policySetKey(namespace, groupSetName(groupId(key), family, prefixes)));
    });
  const spec = { kind: 'rulechain', namespace, name, rules } as const;
  const closed = closedRules(own);
  return [
    ...[...new Set(counters)].map((counter) => counterObject(namespace, counter)),
    {
      key: policyChainKey(namespace, name),
      spec,
      after: [
        home,
        ...setsOf(groups.keys()),
        ...counters.map((counter) => policyCounterKey(namespace, counter)),
      ],
      within: home,
      ...(closed && {
        closed: {
          without: [
            ...setsOf(closed.groups),
            ...(closed.namedPorts.length > 0
              ? FAMILIES.map((each) => policySetKey(namespace, NAMED_PORT_SETS[each]))
              : []),
          ],
          spec: { ...spec, rules: rulesOf(closed.rules) },
        },
      }),
    },
  ];
}

export const counterObject = (namespace: string, name: string): DriverObject<LinuxSpec> => ({
  key: policyCounterKey(namespace, name),
  spec: { kind: 'policycounter', namespace, name },
  after: [guardKey(namespace, 'policies')],
  within: guardKey(namespace, 'policies'),
});
