import { hash } from 'node:crypto';

/** One MAC address for all gateways of a router, wherever they are. */
export const gatewayMacAddress = (router: string): string =>
  `0e:${(hash('sha256', router, 'hex').slice(0, 10).match(/../g) ?? []).join(':')}`;
