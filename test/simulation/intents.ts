import type { SeededRandom } from './seeded-random.js';

/** What is asked for: of a manifest what the simulation draws. */
export interface Asked {
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Where the addresses of a tenant are. */
export interface Prefixes {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Services that are asked for, allowed, denied, and tried. */
export const SERVICES = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: 81 },
  { protocol: 'UDP', port: 53 },
] as const;
/** Of every tenant. */
export const ADDRESS_SET = 'office';
export const POLICIES = ['s0', 's1', 's2'];
/** So few that ports compete for them; the last octet of the first. */
const ADDRESSES = { count: 5, first: 10 };
/** IPv4 addresses that ports of a tenant compete for, by its prefix. */
export const addressesOf = (ipv4: string): string[] =>
  Array.from({ length: ADDRESSES.count }, (_, index) => `${ipv4}.${ADDRESSES.first + index}`);
/** How often which action is drawn, by tier. */
const ACTIONS = {
  ADMIN: [
    [3, 'DENY'],
    [2, 'ALLOW'],
    [1, 'PASS'],
  ],
  DEFAULT: [[1, 'ALLOW']],
  BASELINE: [
    [2, 'DENY'],
    [1, 'ALLOW'],
  ],
} as const;
const ROLES = ['web', 'db'];

/** A Port at a function: its labels, its addresses and the policies that it names are drawn. */
export function drawPort(random: SeededRandom, { ipv4 }: Prefixes, boundTo: object): Asked {
  const ip = random.chance(0.5) ? { ip: random.any(addressesOf(ipv4)) } : {};
  return {
    labels: { app: random.any(ROLES) },
    spec: {
      network: 'blue',
      function: boundTo,
      addresses: [{ subnet: 'blue-v4', ...ip }, { subnet: 'blue-v6' }],
      securityPolicies: random.chance(0.15) ? [random.any(POLICIES)] : [],
      namedPorts: random.chance(0.5) ? [{ name: 'http', protocol: 'TCP', port: 81 }] : [],
      adminState: random.chance(0.85) ? 'UP' : 'DOWN',
    },
  };
}

/** A SecurityPolicy of any tier, on ports with a label, on all, or on those that name it. */
export function drawPolicy(random: SeededRandom, prefixes: Prefixes): Asked {
  const tier = random.any(['ADMIN', 'DEFAULT', 'BASELINE'] as const);
  const rules = (direction: 'ingress' | 'egress', most: number): object[] =>
    Array.from({ length: random.below(most + 1) }, (_, index) => ({
      name: `r${index}`,
      action: random.pick<string>(ACTIONS[tier]),
      peers: some(random, 2, () => drawPeer(random, prefixes)),
      services: some(random, 2, () => drawService(random, direction)),
    }));
  const selector = random.pick<object>([
    [6, { portSelector: { matchLabels: { app: random.any(ROLES) } } }],
    [2, { portSelector: {} }],
    [2, {}],
  ]);
  return {
    spec: {
      tier,
      ...(tier !== 'DEFAULT' && { priority: random.below(3) }),
      ...selector,
      ingress: rules('ingress', 3),
      egress: rules('egress', 2),
    },
  };
}

/** The members of an AddressSet: ports of the tenant and ranges of them. */
export function drawAddressSet(random: SeededRandom, { ipv4, ipv6 }: Prefixes): Asked {
  const one = addressesOf(ipv4).map((ip) => `${ip}/32`);
  const members = random.chance(0.2) ? [`${ipv4}.8/29`] : one.filter(() => random.chance(0.4));
  const addresses = [...members, ...(random.chance(0.5) ? [`${ipv6}::/126`] : [])];
  return { spec: { addresses: addresses.length > 0 ? addresses : [`${ipv6}::4/126`] } };
}

function drawPeer(random: SeededRandom, { ipv4, ipv6 }: Prefixes): object {
  return random.pick<object>([
    [3, { portSelector: { matchLabels: { app: random.any(ROLES) } } }],
    [2, { addressSet: ADDRESS_SET }],
    [1, { cidrBlock: { cidr: random.any([`${ipv4}.0/24`, `${ipv4}.8/29`, `${ipv6}::/64`]) } }],
  ]);
}

/** Of ports by name only what is accepted: what a destination's name means for who opens it is not drawn. */
function drawService(random: SeededRandom, direction: 'ingress' | 'egress'): object {
  if (direction === 'ingress' && random.chance(0.2)) return { protocol: 'TCP', portName: 'http' };
  return random.chance(0.2) ? { protocol: 'TCP' } : random.any(SERVICES);
}

const some = <Value>(random: SeededRandom, most: number, draw: () => Value): Value[] =>
  Array.from({ length: random.below(most + 1) }, draw);
