import type { AddressGroup, AddressGroupMember, DestinationPort, RuleSet } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Realisation, Resolve } from '../driver.js';
import { type Prefix, parsePrefix, prefixBounds } from './addresses.js';
import {
  guardKey,
  type LinuxSpec,
  policyChainKey,
  policyCounterKey,
  policyElementKey,
  policySetKey,
} from './linux-objects.js';
import { namespaceName } from './names.js';
import {
  elementKind,
  groupKeyLength,
  groupSetName,
  type PolicyDirection,
  prefixKeyHead,
  ruleChainName,
  ruleCounterName,
} from './policy-names.js';
import { type KnownGroup, MAX_CHAIN_RULES, paddedName, ruleRules } from './policy-rules.js';
import { NAMED_PORT_SETS } from './port-sets.js';
import { ROUTER_KEY } from './realise-route.js';

const idOf = (groupKey: string): string => groupKey.slice(groupKey.lastIndexOf('/') + 1);
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
  return ([4, 6] as const).map((family) => {
    const name = groupSetName(idOf(key), family, prefixes);
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
  const references = [member.addressGroup];
  const group = resolve(member.addressGroup)?.object;
  if (group?.case !== 'addressGroup') {
    return { kind: 'missing', dependency: member.addressGroup, references };
  }
  const { router, prefixes } = group.value;
  const problems = new Problems();
  const prefix = parsePrefix(member.address);
  if (prefix === undefined || (!prefixes && prefix.length < prefix.bits)) {
    problems.add('address', prefixes ? 'must be an IP address or prefix' : 'must be an IP address');
  }
  checkNamedPorts(member.namedPorts, problems);
  if (problems.total > 0 || prefix === undefined) throw problems.toError();
  const namespace = namespaceName(dpu, router);
  const family = prefix.bits === 32 ? 4 : 6;
  const set = groupSetName(idOf(member.addressGroup), family, prefixes);
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
    },
    ...namedPortObjects(namespace, prefix, member.namedPorts),
  ];
  return { kind: 'realised', objects, references };
}

export function checkNamedPorts(namedPorts: readonly DestinationPort[], problems: Problems): void {
  for (const [index, { name, protocol, port }] of namedPorts.entries()) {
    const field = `namedPorts[${index}]`;
    if (!/^[a-z0-9-]{1,15}$/.test(name)) problems.add(`${field}.name`, 'must be 1-15 of a-z, 0-9, -');
    if (protocol !== 6 && protocol !== 17) problems.add(`${field}.protocol`, 'must be 6 or 17');
    if (port < 1 || port > 65535) problems.add(`${field}.port`, 'must be 1 to 65535');
  }
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
    };
  });

/** A chain for each direction that has rules, behind the sets and counters that these name. */
export function ruleSet(set: RuleSet, resolve: Resolve, dpu: string): Realisation<LinuxSpec> {
  const references = groupsOf(set);
  const groups = new Map<string, KnownGroup>();
  for (const key of references) {
    const group = resolve(key)?.object;
    if (group?.case !== 'addressGroup') return { kind: 'missing', dependency: key, references };
    groups.set(key, { id: idOf(key), prefixes: group.value.prefixes });
  }
  const problems = new Problems();
  if (!ROUTER_KEY.test(set.router)) problems.add('router', 'must be the key of a Router');
  const namespace = namespaceName(dpu, set.router);
  const objects = (['ingress', 'egress'] as const).flatMap((direction) =>
    directionObjects(set, direction, namespace, groups, problems),
  );
  if (problems.total > 0) throw problems.toError();
  return { kind: 'realised', objects, references };
}

const groupsOf = ({ ingress, egress }: RuleSet): string[] => [
  ...new Set(
    [...ingress, ...egress]
      .flatMap(({ peers }) => peers)
      .flatMap(({ peer }) => (peer.case === 'addressGroup' ? [peer.value] : [])),
  ),
];

function directionObjects(
  set: RuleSet,
  direction: PolicyDirection,
  namespace: string,
  groups: ReadonlyMap<string, KnownGroup>,
  problems: Problems,
): DriverObject<LinuxSpec>[] {
  const own = set[direction];
  if (own.length === 0) return [];
  const counters = [...new Set(own.map(({ name }) => ruleCounterName(direction, set.policyUid, name)))];
  const rules = own.flatMap((rule, index) => {
    const counter = ruleCounterName(direction, set.policyUid, rule.name);
    return ruleRules(rule, direction, counter, (key) => groups.get(key), `${direction}[${index}]`, problems);
  });
  if (rules.length > MAX_CHAIN_RULES) {
    problems.add(direction, `must be at most ${MAX_CHAIN_RULES} rules of the kernel, not ${rules.length}`);
  }
  const name = ruleChainName(direction, set.policyUid);
  const home = guardKey(namespace, 'policies');
  const sets = [...groups.values()].flatMap(({ id, prefixes }) =>
    ([4, 6] as const).map((family) => policySetKey(namespace, groupSetName(id, family, prefixes))),
  );
  return [
    ...counters.map((counter) => counterObject(namespace, counter)),
    {
      key: policyChainKey(namespace, name),
      spec: { kind: 'rulechain', namespace, name, rules },
      after: [home, ...sets, ...counters.map((counter) => policyCounterKey(namespace, counter))],
      within: home,
    },
  ];
}

export const counterObject = (namespace: string, name: string): DriverObject<LinuxSpec> => ({
  key: policyCounterKey(namespace, name),
  spec: { kind: 'policycounter', namespace, name },
  after: [guardKey(namespace, 'policies')],
  within: guardKey(namespace, 'policies'),
});
