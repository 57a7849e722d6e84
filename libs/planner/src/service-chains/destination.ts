import { objectKeys } from '@outboard/contracts';
import type { SharedObject } from '@outboard/document-owner/documents';
import {
  type IpAddress,
  type IpPrefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  type ServiceChain,
} from '@outboard/model';
import type { NetworkEntry, PortEntry, RouterEntry } from '../entries.js';
import { share } from '../share.js';

/** With whom ports of a router have what goes through a chain. */
export interface Destination {
  readonly prefixes: readonly IpPrefix[];
  /** Prefixes in these that are not meant. */
  readonly exceptions: readonly IpPrefix[];
}

const NOBODY: Destination = { prefixes: [], exceptions: [] };
const EVERYBODY = ['0.0.0.0/0', '::/0'] as IpPrefix[];
/** Every link has it. */
const LINK_LOCAL = 'fe80::/10' as IpPrefix;

/** The destination of a chain for ports of a router; `networkOf` finds a network of the chain's tenant. */
export function destinationOf(
  { spec: { destination } }: Pick<ServiceChain, 'spec'>,
  router: RouterEntry,
  networkOf: (name: string) => NetworkEntry | undefined,
): Destination {
  switch (destination.kind) {
    case 'cidrs':
      return { prefixes: destination.cidrs, exceptions: [] };
    case 'network': {
      const network = networkOf(destination.network);
      return network?.router === router
        ? { prefixes: subnetsOf(network.subnets.values()), exceptions: [] }
        : NOBODY;
    }
    case 'external':
      return { prefixes: EVERYBODY, exceptions: [...subnetsOf(router.subnets), LINK_LOCAL] };
  }
}

const subnetsOf = (
  subnets: Iterable<{
    readonly record: { readonly resource: { readonly spec: { readonly cidr: IpPrefix } } };
  }>,
) => [...subnets].map(({ record }) => record.resource.spec.cidr).sort();

/** Whether some packet is meant by both. */
export const destinationsOverlap = (one: Destination, other: Destination): boolean =>
  one.prefixes.some((left) =>
    other.prefixes.some((right) => {
      if (!prefixesOverlap(left, right)) return false;
      const narrower = prefixCovers(left, right) ? right : left;
      return ![...one.exceptions, ...other.exceptions].some((each) => prefixCovers(each, narrower));
    }),
  );

export const isDestination = ({ prefixes, exceptions }: Destination, address: IpAddress): boolean =>
  prefixes.some((each) => prefixContains(each, address)) &&
  !exceptions.some((each) => prefixContains(each, address));

/** The chain as the DPUs have it on which there are ports of the router that it steers. */
export function chainObject(
  chain: ServiceChain,
  router: RouterEntry,
  { prefixes, exceptions }: Destination,
  portOf: (name: string) => PortEntry | undefined,
): SharedObject {
  const { metadata, spec } = chain;
  const uidOf = (name: string): string => portOf(name)?.record.resource.metadata.uid ?? '';
  return share(objectKeys.serviceChain(metadata.uid, router.name), 'ServiceChain', chain, {
    case: 'serviceChain',
    value: {
      chainUid: metadata.uid,
      destinations: [...prefixes],
      exceptions: [...exceptions],
      hops: spec.hops.map(({ name, ingressPort, egressPort }) => ({
        name,
        ingressPortUid: uidOf(ingressPort),
        egressPortUid: uidOf(egressPort),
      })),
      failOpen: spec.failureMode === 'FAIL_OPEN',
    },
  });
}
