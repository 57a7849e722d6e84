import { address } from './address.js';
import { link } from './link.js';
import { namespaceId } from './namespace-id.js';
import { neighbour } from './neighbour.js';
import { nexthop } from './nexthop.js';
import { nftChain, nftGeneration, nftObject, nftRule, nftSet, nftSetElement, nftTable } from './nftables.js';
import { route } from './route.js';
import { rule } from './rule.js';
import { filter, qdisc } from './traffic-control.js';

/** Every family that the library knows; monitors tell of these. */
export const FAMILIES = {
  link,
  address,
  route,
  neighbour,
  rule,
  qdisc,
  filter,
  nexthop,
  namespaceId,
  nftTable,
  nftChain,
  nftRule,
  nftSet,
  nftSetElement,
  nftObject,
  nftGeneration,
} as const;
