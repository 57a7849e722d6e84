import type { RuleCounter } from '../driver.js';
import { POLICY_DIRECTIONS, type PolicyDirection } from './parse-rule.js';
import { ruleCounterName } from './policy-names.js';

/** What one rule has decided on, in all routers of a DPU. */
export interface RuleCount {
  readonly direction: PolicyDirection;
  readonly rule: string;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** Those of a policy's rules, in the order of direction and rule. */
export function countsOfPolicy(counters: Iterable<RuleCounter>, policyUid: string): RuleCount[] {
  const counts = new Map<string, RuleCount>();
  for (const { name, packets, bytes } of counters) {
    for (const direction of POLICY_DIRECTIONS) {
      const prefix = ruleCounterName(direction, policyUid, '');
      if (!name.startsWith(prefix)) continue;
      const before = counts.get(name);
      const rule = name.slice(prefix.length);
      const [others, otherBytes] = [before?.packets ?? 0n, before?.bytes ?? 0n];
      counts.set(name, { direction, rule, packets: packets + others, bytes: bytes + otherBytes });
    }
  }
  const names = [...counts.keys()].sort();
  return names.flatMap((name) => counts.get(name) ?? []);
}
