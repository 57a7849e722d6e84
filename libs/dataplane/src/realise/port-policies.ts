import type { Endpoint, RuleSet } from '@outboard/contracts';
import type { DriverObject } from '../driver.js';
import { type Prefix, prefixBounds } from './addresses.js';
import { type Judgement, judgementOf } from './judgement.js';
import { guardKey, policyChainKey, policyCounterKey, policyElementKey, setHome } from './linux-keys.js';
import type { LinuxSpec, PolicyElementSpec } from './linux-objects.js';
import { portMark, portName } from './names.js';
import { POLICY_DIRECTIONS, type PolicyDirection } from './parse-rule.js';
import { deniedCounterName, portChainName, ruleChainName } from './policy-names.js';
import { hostOrder, paddedName, portRules } from './policy-rules.js';
import { MARKS, PORT_SETS } from './port-sets.js';
import { counterObject, namedPortObjects } from './realise-policy.js';
import type { Segment } from './segment.js';

/**
 * Who a port is, by its own addresses and those that only its allowed pairs tell (`guesses`), and what is done with its connections: its chain in each direction in which it has policies, and the
 * elements that lead there. Until they are all in place the port's gate is closed.
 */
export function portPolicyObjects(
  endpoint: Endpoint,
  { networkUid, namespace, bridge }: Segment,
  ruleSets: readonly RuleSet[],
  addresses: readonly Prefix[],
  guesses: readonly Prefix[],
): readonly DriverObject<LinuxSpec>[] {
  const device = portName(endpoint.portUid, networkUid);
  const mark = hostOrder(portMark(endpoint.portUid, networkUid));
  const judged = {
    ingress: judgementOf(endpoint, ruleSets, 'ingress'),
    egress: judgementOf(endpoint, ruleSets, 'egress'),
  };
  const chains = POLICY_DIRECTIONS.flatMap((direction) =>
    judged[direction] ? chainObjects(direction, judged[direction]) : [],
  );
  const isPoliced = chains.length > 0;
  const name = paddedName(device);
  const elements = [
    element(PORT_SETS.identities, name, mark),
    element(PORT_SETS.identified, `${name}${mark}`),
    ...(isPoliced ? [element(PORT_SETS.policed, name), element(PORT_SETS.judged, mark)] : []),
    ...POLICY_DIRECTIONS.map((direction) =>
      judged[direction]
        ? element(PORT_SETS[direction], mark, `goto ${portChainName(direction, device)}`, direction)
        : element(PORT_SETS[direction], mark, 'accept'),
    ),
    ...addresses.map((address) => addressElement(namespace, bridge, address, mark)),
    ...guesses.map((address) => guessedAddress(namespace, bridge, address, mark)),
  ];
  const named = addresses.flatMap((address) => namedPortObjects(namespace, address, endpoint.namedPorts));
  return [...named, ...chains, ...elements];

  function chainObjects(direction: PolicyDirection, judgement: Judgement): DriverObject<LinuxSpec>[] {
    const chainsOf = (sets: readonly RuleSet[]): string[] => sets.map((set) => ruleChainName(direction, set));
    const [admin, normal, baseline] = [
      chainsOf(judgement.admin),
      chainsOf(judgement.normal),
      chainsOf(judgement.baseline),
    ];
    const denied = judgement.isolated ? deniedCounterName(direction, device) : undefined;
    const chain = portChainName(direction, device);
    const home = guardKey(namespace, 'policies');
    const policies = [...admin, ...normal, ...baseline].map((each) => policyChainKey(namespace, each));
    return [
      ...(denied === undefined ? [] : [counterObject(namespace, denied)]),
      {
        key: policyChainKey(namespace, chain),
        spec: {
          kind: 'portchain',
          namespace,
          name: chain,
          rules: portRules({ admin, normal, baseline, denied }),
        },
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
    const behind = chained ? [policyChainKey(namespace, portChainName(chained, device))] : [];
    return portElement(namespace, set, key, data, behind);
  }
}

/** What is routed to an address of somebody else's allowed pair is judged by where it leaves. */
export const elsewhereObjects = (
  { namespace, bridge }: Segment,
  guesses: readonly Prefix[],
): DriverObject<LinuxSpec>[] =>
  guesses.map((address) => guessedAddress(namespace, bridge, address, hostOrder(MARKS.unknown)));

function addressElement(
  namespace: string,
  bridge: string,
  address: Prefix,
  mark: string,
): DriverObject<LinuxSpec> {
  const set = address.bits === 32 ? PORT_SETS.addresses4 : PORT_SETS.addresses6;
  const { first } = prefixBounds(address);
  return portElement(namespace, set, `${paddedName(bridge)}${Buffer.from(first).toString('hex')}`, mark);
}

/** Several ports may have the same pair, and nobody knows which of them uses it. */
const guessedAddress = (...of: Parameters<typeof addressElement>): DriverObject<LinuxSpec> => ({
  ...addressElement(...of),
  guess: true,
});

function portElement(
  namespace: string,
  set: string,
  key: string,
  data: string | undefined,
  behind: readonly string[] = [],
): DriverObject<LinuxSpec> {
  const spec: PolicyElementSpec = {
    kind: 'policyport',
    namespace,
    set,
    key,
    ...(data === undefined ? {} : { data }),
  };
  const home = setHome(namespace, set);
  return {
    key: policyElementKey(namespace, set, key, undefined),
    spec,
    after: [home, ...behind],
    within: home,
  };
}
