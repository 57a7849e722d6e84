import type { Endpoint, RuleSet } from '@outboard/contracts';
import type { DriverObject, Resolve } from '../driver.js';
import { type Prefix, prefixBounds } from './addresses.js';
import {
  guardKey,
  type LinuxSpec,
  type PolicyElementSpec,
  policyChainKey,
  policyCounterKey,
  policyElementKey,
  setHome,
} from './linux-objects.js';
import { portMark, portName } from './names.js';
import { deniedCounterName, type PolicyDirection, portChainName, ruleChainName } from './policy-names.js';
import { hostOrder, type PortJudgement, paddedName, portRules } from './policy-rules.js';
import { PORT_SETS } from './port-sets.js';
import { counterObject, namedPortObjects } from './realise-policy.js';
import type { Segment } from './segment.js';

/** The RuleSets that apply to an endpoint, or the first of them that is in no document. */
export type RuleSets =
  | { readonly kind: 'known'; readonly ruleSets: readonly RuleSet[] }
  | { readonly kind: 'missing'; readonly key: string };

export function ruleSetsOf({ ruleSets: keys }: Endpoint, resolve: Resolve): RuleSets {
  const ruleSets: RuleSet[] = [];
  for (const key of keys) {
    const object = resolve(key)?.object;
    if (object?.case !== 'ruleSet') return { kind: 'missing', key };
    ruleSets.push(object.value);
  }
  return { kind: 'known', ruleSets };
}

/**
 * Who a port is, and what is done with its connections: its chain in each direction in which it has policies, and the
 * elements that lead there. Until they are all in place the port's gate is closed.
 */
export function portPolicyObjects(
  endpoint: Endpoint,
  { networkUid, namespace, bridge }: Segment,
  ruleSets: readonly RuleSet[],
  addresses: readonly Prefix[],
): readonly DriverObject<LinuxSpec>[] {
  const device = portName(endpoint.portUid, networkUid);
  const mark = hostOrder(portMark(endpoint.portUid, networkUid));
  const judged = { ingress: judge('ingress'), egress: judge('egress') };
  const chains = (['ingress', 'egress'] as const).flatMap((direction) =>
    judged[direction] ? chainObjects(direction, judged[direction]) : [],
  );
  const isPoliced = chains.length > 0;
  const name = paddedName(device);
  const elements = [
    element(PORT_SETS.identities, name, mark),
    element(PORT_SETS.identified, `${name}${mark}`),
    ...(isPoliced ? [element(PORT_SETS.policed, name), element(PORT_SETS.judged, mark)] : []),
    ...(['ingress', 'egress'] as const).map((direction) =>
      judged[direction]
        ? element(PORT_SETS[direction], mark, `goto ${portChainName(direction, device)}`, direction)
        : element(PORT_SETS[direction], mark, 'accept'),
    ),
    ...addresses.map((address) => {
      const set = address.bits === 32 ? PORT_SETS.addresses4 : PORT_SETS.addresses6;
      const { first } = prefixBounds(address);
      return element(set, `${paddedName(bridge)}${Buffer.from(first).toString('hex')}`, mark);
    }),
  ];
  const named = addresses.flatMap((address) => namedPortObjects(namespace, address, endpoint.namedPorts));
  return [...named, ...chains, ...elements];

  /** Undefined: nobody has anything to say. */
  function judge(direction: PolicyDirection): PortJudgement | undefined {
    const isolated = direction === 'ingress' ? endpoint.isolatedIngress : endpoint.isolatedEgress;
    const ofTier = (tier: string): string[] =>
      ruleSets
        .filter((each) => each.tier === tier && each[direction].length > 0)
        .map(({ policyUid }) => ruleChainName(direction, policyUid));
    const [admin, normal, baseline] = [
      ofTier('ADMIN'),
      ofTier('DEFAULT'),
      isolated ? [] : ofTier('BASELINE'),
    ];
    if (!isolated && admin.length + normal.length + baseline.length === 0) return undefined;
    return { admin, normal, baseline, denied: isolated ? deniedCounterName(direction, device) : undefined };
  }

  function chainObjects(direction: PolicyDirection, judgement: PortJudgement): DriverObject<LinuxSpec>[] {
    const { admin, normal, baseline, denied } = judgement;
    const chain = portChainName(direction, device);
    const home = guardKey(namespace, 'policies');
    const policies = [...admin, ...normal, ...baseline].map((each) => policyChainKey(namespace, each));
    return [
      ...(denied === undefined ? [] : [counterObject(namespace, denied)]),
      {
        key: policyChainKey(namespace, chain),
        spec: { kind: 'portchain', namespace, name: chain, rules: portRules(judgement) },
        after: [home, ...policies, ...(denied === undefined ? [] : [policyCounterKey(namespace, denied)])],
        within: home,
      },
    ];
  }

  function element(
    set: string,
    key: string,
    data?: string,
    chained?: PolicyDirection,
  ): DriverObject<LinuxSpec> {
    const spec: PolicyElementSpec = {
      kind: 'policyport',
      namespace,
      set,
      key,
      ...(data === undefined ? {} : { data }),
    };
    const home = setHome(namespace, set);
    const behind = chained ? [policyChainKey(namespace, portChainName(chained, device))] : [];
    return {
      key: policyElementKey(namespace, set, key, undefined),
      spec,
      after: [home, ...behind],
      within: home,
    };
  }
}
