import type { RouteNextHop } from './linux-objects.js';

/** The order in which next hops are compared: the kernel keeps none that means anything. */
export const byGateway = (one: RouteNextHop, other: RouteNextHop): number => {
  const [left, right] = [
    `${one.gateway} ${one.device ?? ''} ${one.weight}`,
    `${other.gateway} ${other.device ?? ''} ${other.weight}`,
  ];
  return left < right ? -1 : left > right ? 1 : 0;
};
