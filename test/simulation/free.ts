import type { FunctionIdentity, Port } from '@outboard/model';
import { addressesOf, type Prefixes } from './intents.js';

/** Which function of whose, as a port names it. */
type Identity = Pick<FunctionIdentity, 'vfNumber'> & { readonly serialNumber: string };

/** Something that nobody holds. */
export interface Free {
  readonly what: 'address' | 'function';
  /** Who can have it; absent: whoever. */
  readonly tenant?: string;
  /** Of a port that has it. */
  readonly spec: Readonly<Record<string, unknown>>;
}

/** What these ports do not hold, of the addresses that ports of tenants compete for and of these functions. */
export function freeBeside(
  ports: readonly Port[],
  tenants: readonly (Prefixes & { readonly name: string })[],
  functions: readonly Identity[],
): readonly Free[] {
  const keyOf = (each?: Identity): string => `${each?.serialNumber}/${each?.vfNumber}`;
  const bound = new Set(ports.map(({ spec }) => keyOf(spec.function)));
  const held = new Set(
    ports.flatMap(({ metadata, status }) => status.addresses.map(({ ip }) => `${metadata.tenant} ${ip}`)),
  );
  const addresses = tenants.flatMap(({ name: tenant, ipv4 }) =>
    addressesOf(ipv4)
      .filter((ip) => !held.has(`${tenant} ${ip}`))
      .map((ip): Free => {
        const spec = { network: 'blue', addresses: [{ subnet: 'blue-v4', ip }] };
        return { what: 'address', tenant, spec };
      }),
  );
  const unbound = functions
    .filter((each) => !bound.has(keyOf(each)))
    .map((each): Free => {
      const spec = { network: 'blue', function: each, addresses: [{ subnet: 'blue-v6' }] };
      return { what: 'function', spec };
    });
  return [...addresses, ...unbound];
}
