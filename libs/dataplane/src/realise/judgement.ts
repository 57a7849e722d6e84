import type { Endpoint, RuleSet } from '@outboard/contracts';
import type { Resolve } from '../driver.js';
import type { PolicyDirection } from './parse-rule.js';

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

/** Whether a port cannot be connected where no policies can be enforced. */
export const isPoliced = ({ ruleSets, isolatedIngress, isolatedEgress }: Endpoint): boolean =>
  ruleSets.length > 0 || isolatedIngress || isolatedEgress;

/** Who is asked about a port's connections in one direction: tier by tier, each in its order. */
export interface Judgement {
  readonly admin: readonly RuleSet[];
  readonly normal: readonly RuleSet[];
  /** None where the port is isolated. */
  readonly baseline: readonly RuleSet[];
  /** What nobody has allowed is denied. */
  readonly isolated: boolean;
}

/** Undefined: nobody has anything to say. */
export function judgementOf(
  { isolatedIngress, isolatedEgress }: Endpoint,
  ruleSets: readonly RuleSet[],
  direction: PolicyDirection,
): Judgement | undefined {
  const isolated = direction === 'ingress' ? isolatedIngress : isolatedEgress;
  const ofTier = (tier: string): RuleSet[] =>
    ruleSets.filter((each) => each.tier === tier && each[direction].length > 0);
  const [admin, normal, baseline] = [ofTier('ADMIN'), ofTier('DEFAULT'), isolated ? [] : ofTier('BASELINE')];
  if (!isolated && admin.length + normal.length + baseline.length === 0) return undefined;
  return { admin, normal, baseline, isolated };
}
