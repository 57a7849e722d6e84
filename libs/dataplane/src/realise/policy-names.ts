import { hash as digest } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { type RuleSet, RuleSetSchema } from '@outboard/contracts';
import type { IpFamily } from './addresses.js';
import type { PolicyElementSpec, PolicySetSpec } from './linux-objects.js';
import type { PolicyDirection } from './parse-rule.js';
import { PORT_SETS } from './port-sets.js';

/** The last part of a group's key. */
export const groupId = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

/** The set of a group's addresses of one family. */
export const groupSetName = (id: string, family: IpFamily, prefixes: boolean): string =>
  `${prefixes ? 'prefixes' : 'group'}${family}-${id}`;

/**
 * What stands before an address in sets of prefixes, in hexadecimal: the protocol family. The kernel has ranges of
 * arbitrary width only for keys of several parts.
 */
export const prefixKeyHead = (family: IpFamily): string => (family === 4 ? '02000000' : '0a000000');

/** Bytes of a key. */
export const groupKeyLength = (family: IpFamily, prefixes: boolean): PolicySetSpec['keyLength'] => {
  if (prefixes) return family === 4 ? 8 : 20;
  return family === 4 ? 4 : 16;
};

/** True for what `groupSetName` can give. */
export const isGroupSet = (name: string): boolean => /^(group|prefixes)[46]-/.test(name);

/** Of rule sets that documents have now: each port that one applies to asks for it. */
const versions = new WeakMap<RuleSet, Map<PolicyDirection, string>>();

/**
 * Stands for what a policy says in a direction. Policies are asked by it, so that other rules are another policy beside the
 * former one: each port goes from what was meant for it to what is, with its own chain, whatever else fails.
 */
export function rulesVersion(set: RuleSet, direction: PolicyDirection): string {
  const known = versions.get(set);
  const version = known?.get(direction);
  if (version !== undefined) return version;
  const said = toBinary(RuleSetSchema, create(RuleSetSchema, { [direction]: set[direction] }));
  const fresh = digest('sha256', said, 'hex').slice(0, 16);
  if (known === undefined) versions.set(set, new Map([[direction, fresh]]));
  else known.set(direction, fresh);
  return fresh;
}

/** The rules of a policy, or of a port (by its device), in a direction. */
export const ruleChainName = (direction: PolicyDirection, set: RuleSet): string =>
  `${direction}-rules-${set.policyUid}-${rulesVersion(set, direction)}`;
export const portChainName = (direction: PolicyDirection, device: string): string =>
  `${direction}-port-${device}`;

/** Whether a chain of that name is a port's. */
export const isPortChain = (name: string): boolean => /^(ingress|egress)-port-/.test(name);

export const ruleCounterName = (direction: PolicyDirection, policyUid: string, rule: string): string =>
  `${direction}-${policyUid}-${rule}`;
/** Of what nobody allowed of an isolated port. */
export const deniedCounterName = (direction: PolicyDirection, device: string): string =>
  `${direction}-denied-${device}`;

const PORT_SET_NAMES: ReadonlySet<string> = new Set(Object.values(PORT_SETS));

/** What an element of that set is. */
export const elementKind = (set: string): PolicyElementSpec['kind'] =>
  PORT_SET_NAMES.has(set) ? 'policyport' : 'policymember';
