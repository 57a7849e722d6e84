import { hash } from 'node:crypto';
import type { MacAddress } from '@outboard/model';

/** First octet of gateways' addresses: locally administered, unicast. */
const FIRST_OCTET = '0e';

/**
 * The address of a router's gateways in all of its networks and on every DPU, made of the router's key: a port that
 * moves to another DPU finds the gateway that it knows.
 */
export function gatewayMacAddressOf(routerKey: string): MacAddress {
  const digits = hash('sha256', routerKey, 'hex').slice(0, 10);
  return [FIRST_OCTET, ...(digits.match(/../g) ?? [])].join(':') as MacAddress;
}
