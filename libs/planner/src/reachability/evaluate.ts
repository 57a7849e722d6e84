import {
  type Direction,
  type IpAddress,
  type IpPrefix,
  ipFamily,
  type Labels,
  type Name,
  type NamedPort,
  prefixContains,
  type SecurityPeer,
  type SecurityPolicy,
  type SecurityRule,
  selectsLabels,
  type TenantName,
} from '@outboard/model';
import { both, EVERYTHING, either, NOTHING, type Services, servicesOf, without } from './services.js';

/** One end of a flow, as rules see it from the other end. */
export interface Peer {
  readonly address: IpAddress;
  /** The connected port of the same tenant and router that has the address. */
  readonly labels: Labels | undefined;
}

/** What decides on a part of what a port opens or accepts. */
export type Decider =
  | { readonly kind: 'rule'; readonly policy: SecurityPolicy; readonly rule: Name }
  /** A policy of the DEFAULT tier, for what none of that tier allows. */
  | { readonly kind: 'isolation'; readonly policy: SecurityPolicy }
  /** Nobody: it is open. */
  | { readonly kind: 'none' };

export interface Slice {
  readonly services: Services;
  readonly isAllowed: boolean;
  readonly by: Decider;
}

/** The addresses of an address set; policies name only sets that exist. */
export type AddressSets = (tenant: TenantName, name: Name) => readonly IpPrefix[];

/**
 * What a port with these policies, in the order of their evaluation, opens to a peer (EGRESS) or accepts from it
 * (INGRESS): slices that together are everything, each with what decides on it. `namedPorts`: of the destination.
 */
export function slicesOf(
  policies: readonly SecurityPolicy[],
  direction: Direction,
  peer: Peer,
  namedPorts: readonly NamedPort[],
  addressSets: AddressSets,
): readonly Slice[] {
  const slices: Slice[] = [];
  let open: Services = EVERYTHING;
  let passed: Services = NOTHING;
  const take = (services: Services, isAllowed: boolean, by: Decider): void => {
    if (services.length > 0) slices.push({ services, isAllowed, by });
  };
  const family = ipFamily(peer.address);
  const walk = (tier: SecurityPolicy['spec']['tier']): void => {
    for (const policy of policies) {
      if (policy.spec.tier !== tier) continue;
      for (const rule of rulesOf(policy, direction)) {
        if (open.length === 0) return;
        if (!meets(policy, rule, peer, addressSets)) continue;
        const matched = both(open, servicesOf(rule.services, namedPorts, family));
        open = without(open, matched);
        if (rule.action === 'PASS') passed = either(passed, matched);
        else take(matched, rule.action === 'ALLOW', { kind: 'rule', policy, rule: rule.name });
      }
    }
  };
  walk('ADMIN');
  open = either(open, passed);
  walk('DEFAULT');
  const isolating = policies.find(({ spec }) => spec.isolates.includes(direction));
  if (isolating) {
    take(open, false, { kind: 'isolation', policy: isolating });
    return slices;
  }
  walk('BASELINE');
  take(open, true, { kind: 'none' });
  return slices;
}

/** All that slices allow. */
export function allowedBy(slices: readonly Slice[]): Services {
  let allowed = NOTHING;
  for (const { services, isAllowed } of slices) if (isAllowed) allowed = either(allowed, services);
  return allowed;
}

export const rulesOf = ({ spec }: SecurityPolicy, direction: Direction): readonly SecurityRule[] =>
  direction === 'INGRESS' ? spec.ingress : spec.egress;

const meets = (policy: SecurityPolicy, { peers }: SecurityRule, peer: Peer, sets: AddressSets): boolean =>
  peers.length === 0 || peers.some((each) => isPeer(policy, each, peer, sets));

function isPeer(
  { metadata }: SecurityPolicy,
  wanted: SecurityPeer,
  { address, labels }: Peer,
  addressSets: AddressSets,
): boolean {
  switch (wanted.kind) {
    case 'ports':
      return labels !== undefined && selectsLabels(wanted.selector, labels);
    case 'addressSet':
      return addressSets(metadata.tenant, wanted.name).some((prefix) => prefixContains(prefix, address));
    case 'cidr':
      return (
        prefixContains(wanted.cidr, address) &&
        !wanted.except.some((prefix) => prefixContains(prefix, address))
      );
  }
}
