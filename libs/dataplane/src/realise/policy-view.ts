import type { NetlinkAttributes } from '../driver.js';
import { GUARD_TABLE } from './guard-table.js';
import type {
  PolicyChainSpec,
  PolicyCounterSpec,
  PolicyElementSpec,
  PolicySetSpec,
} from './linux-objects.js';
import { POLICY_TABLE } from './policy-table.js';
import { BRIDGE_PORT_SETS } from './port-sets.js';

type PolicySpec = PolicySetSpec | PolicyElementSpec | PolicyCounterSpec | PolicyChainSpec;

/** Objects of policies as nftables.yaml names them; bytes in hexadecimal. */
export function policyAttributes(spec: PolicySpec): NetlinkAttributes {
  const table = { netns: spec.namespace, nfgenFamily: 'inet', table: POLICY_TABLE };
  switch (spec.kind) {
    case 'policyset':
      return {
        ...table,
        name: spec.name,
        keyLen: spec.keyLength,
        flags: spec.prefixes ? ['interval', 'concat'] : [],
      };
    case 'policymember':
    case 'policyport': {
      const { set, key, end, data } = spec;
      return {
        ...table,
        ...(BRIDGE_PORT_SETS.has(set) ? { nfgenFamily: 'bridge', table: GUARD_TABLE } : {}),
        set,
        key,
        ...(end === undefined ? {} : { keyEnd: end }),
        ...(data === undefined ? {} : { data }),
      };
    }
    case 'policycounter':
      return { ...table, name: spec.name, type: 'counter' };
    case 'rulechain':
    case 'portchain':
      return {
        ...table,
        name: spec.name,
        rules: spec.rules.map((rule) => ({ expressions: rule.map(({ name, ...data }) => ({ name, data })) })),
      };
  }
}
