import type { DpuRecord, PlannedKind } from '../src/index.js';
import { identityOf, type Lab } from './lab.js';

/** One resource of a world: `[kind, tenant/name, spec]`; `labels` in a spec are those of the resource. */
type Item = readonly [
  kind: PlannedKind,
  key: `${string}/${string}`,
  spec: { readonly labels?: Readonly<Record<string, string>>; readonly [field: string]: unknown },
];

/**
 * A complete state of intents and inventory. All that is allocated is asked for, so that no history shows: a network
 * with subnets has no ports that leave their addresses to the planner.
 */
export interface NamedWorld {
  readonly about: string;
  readonly dpus: Readonly<Record<string, Partial<DpuRecord>>>;
  /** By DPU: the representor of each virtual function; null: not known yet. */
  readonly functions: Readonly<Record<string, readonly (string | null)[]>>;
  readonly items: readonly Item[];
}

const network = (key: Item[1], segmentationId: number, more: Item[2] = {}): Item => [
  'Network',
  key,
  { segment: { segmentationId }, ...more },
];

const router = (key: Item[1], spec: Item[2]): Item => ['Router', key, spec];

const subnet = (key: Item[1], of: string, cidr: string, more: Item[2] = {}): Item => [
  'Subnet',
  key,
  { network: of, cidr, ...more },
];

const port = (
  key: Item[1],
  of: string,
  at: [dpu: string, vfNumber: number] | undefined,
  more: Item[2],
): Item => ['Port', key, { network: of, function: at && identityOf(...at), ...more }];

const TWO_FUNCTIONS = ['pf0vf0', 'pf0vf1'];

export const WORLDS: Readonly<Record<string, NamedWorld>> = {
  empty: { about: 'Nothing at all.', dpus: {}, functions: {}, items: [] },

  'inventory-only': {
    about: 'Two DPUs with functions that nobody uses.',
    dpus: { 'dpu-1': {}, 'dpu-2': {} },
    functions: { 'dpu-1': TWO_FUNCTIONS, 'dpu-2': TWO_FUNCTIONS },
    items: [],
  },

  'one-dpu': {
    about: 'Two ports of one network on one DPU: no tunnels. One is down, one has an allowed address pair.',
    dpus: { 'dpu-1': {} },
    functions: { 'dpu-1': TWO_FUNCTIONS },
    items: [
      network('acme/blue', 5001),
      subnet('acme/blue-v4', 'blue', '10.0.0.0/24'),
      port('acme/web-0', 'blue', ['dpu-1', 0], {
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }],
        allowedAddressPairs: [{ ip: '10.0.0.100' }, { ip: '10.8.0.0/16', macAddress: '02:00:00:00:00:99' }],
      }),
      port('acme/web-1', 'blue', ['dpu-1', 1], {
        macAddress: '02:00:00:00:00:02',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.11' }],
        adminState: 'DOWN',
      }),
    ],
  },

  'two-dpus': {
    about: 'The same network, the second port on another DPU, with address pairs: all remote both ways.',
    dpus: { 'dpu-1': {}, 'dpu-2': {} },
    functions: { 'dpu-1': TWO_FUNCTIONS, 'dpu-2': TWO_FUNCTIONS },
    items: [
      network('acme/blue', 5001),
      subnet('acme/blue-v4', 'blue', '10.0.0.0/24'),
      port('acme/web-0', 'blue', ['dpu-1', 0], {
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }],
      }),
      port('acme/web-1', 'blue', ['dpu-2', 1], {
        macAddress: '02:00:00:00:00:02',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.11' }],
        allowedAddressPairs: [{ ip: '10.0.0.100' }, { ip: '10.8.0.0/16', macAddress: '02:00:00:00:00:99' }],
      }),
    ],
  },

  'addresses-swapped': {
    about: 'As before, but each port has what the other had.',
    dpus: { 'dpu-1': {}, 'dpu-2': {} },
    functions: { 'dpu-1': TWO_FUNCTIONS, 'dpu-2': TWO_FUNCTIONS },
    items: [
      network('acme/blue', 5001),
      subnet('acme/blue-v4', 'blue', '10.0.0.0/24'),
      port('acme/web-0', 'blue', ['dpu-2', 1], {
        macAddress: '02:00:00:00:00:02',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.11' }],
      }),
      port('acme/web-1', 'blue', ['dpu-1', 0], {
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }],
      }),
    ],
  },

  'overlapping-tenants': {
    about: 'Two tenants with the same names and addresses on the same DPUs.',
    dpus: { 'dpu-1': {}, 'dpu-2': { underlayMtu: 9000 } },
    functions: { 'dpu-1': TWO_FUNCTIONS, 'dpu-2': TWO_FUNCTIONS },
    items: ['acme', 'umbrella'].flatMap((tenant, index): Item[] => [
      network(`${tenant}/blue`, 5001 + index),
      subnet(`${tenant}/blue-v4`, 'blue', '10.0.0.0/24'),
      port(`${tenant}/web-0`, 'blue', ['dpu-1', index], {
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }],
      }),
      port(`${tenant}/web-1`, 'blue', ['dpu-2', index], {
        macAddress: '02:00:00:00:00:02',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.11' }],
      }),
    ]),
  },

  'dual-stack': {
    about: 'IPv4 and IPv6 in the overlay, over an IPv6 underlay; the MTU is asked for.',
    dpus: {
      'dpu-1': { tunnelEndpoint: '2001:db8:ffff::1' as never },
      'dpu-2': { tunnelEndpoint: '2001:db8:ffff::2' as never },
    },
    functions: { 'dpu-1': TWO_FUNCTIONS, 'dpu-2': TWO_FUNCTIONS },
    items: [
      network('acme/blue', 5001, { mtu: 1400 }),
      subnet('acme/blue-v4', 'blue', '10.0.0.0/24'),
      subnet('acme/blue-v6', 'blue', '2001:db8::/64'),
      port('acme/web-0', 'blue', ['dpu-1', 0], {
        macAddress: '02:00:00:00:00:01',
        addresses: [
          { subnet: 'blue-v4', ip: '10.0.0.10' },
          { subnet: 'blue-v6', ip: '2001:db8::10' },
        ],
      }),
      port('acme/web-1', 'blue', ['dpu-2', 0], {
        macAddress: '02:00:00:00:00:02',
        addresses: [{ subnet: 'blue-v6', ip: '2001:db8::11' }],
      }),
    ],
  },

  'two-networks-one-router': {
    about: 'Two networks in one router and one in another, of ports without addresses.',
    dpus: { 'dpu-1': {} },
    functions: { 'dpu-1': ['pf0vf0', 'pf0vf1', 'pf0vf2'] },
    items: [
      router('acme/edge', {}),
      network('acme/plain', 5004),
      network('acme/red', 5002),
      network('acme/edge', 5003, { router: 'edge' }),
      port('acme/web-0', 'plain', ['dpu-1', 0], { macAddress: '02:00:00:00:00:01' }),
      port('acme/web-1', 'red', ['dpu-1', 1], { macAddress: '02:00:00:00:00:01' }),
      port('acme/gate', 'edge', ['dpu-1', 2], { macAddress: '02:00:00:00:00:01' }),
    ],
  },

  routed: {
    about:
      'A network on dpu-1 and one on dpu-1 and dpu-2 in one router: both are on both, broadcasts go where ports are. Routes and a way out; dpu-3 has another router, and a network without subnets of this one.',
    dpus: { 'dpu-1': {}, 'dpu-2': {}, 'dpu-3': {} },
    functions: { 'dpu-1': TWO_FUNCTIONS, 'dpu-2': TWO_FUNCTIONS, 'dpu-3': TWO_FUNCTIONS },
    items: [
      router('acme/default', {
        routes: [
          {
            destination: '10.8.0.0/16',
            nextHops: [{ address: '10.0.0.10', weight: 3 }, { address: '10.0.1.10' }],
          },
          { destination: '10.9.0.0/16', nextHops: [{ address: '10.0.0.10' }, { address: '192.0.2.1' }] },
          { destination: 'fd08::/16', nextHops: [{ address: '2001:db8::10' }] },
        ],
        externalGateway: { sourceNat: 'DPU_ADDRESS' },
      }),
      router('acme/edge', {}),
      network('acme/blue', 5001),
      network('acme/red', 5002),
      network('acme/far', 5003, { router: 'edge' }),
      network('acme/plain', 5004),
      subnet('acme/blue-v4', 'blue', '10.0.0.0/24'),
      subnet('acme/red-v4', 'red', '10.0.1.0/24'),
      subnet('acme/far-v4', 'far', '10.0.0.0/16', { gateway: '10.0.0.254' }),
      port('acme/web-0', 'blue', ['dpu-1', 0], {
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }],
      }),
      port('acme/db-0', 'red', ['dpu-1', 1], {
        macAddress: '02:00:00:00:00:02',
        addresses: [{ subnet: 'red-v4', ip: '10.0.1.10' }],
      }),
      port('acme/db-1', 'red', ['dpu-2', 0], {
        macAddress: '02:00:00:00:00:03',
        addresses: [{ subnet: 'red-v4', ip: '10.0.1.11' }],
      }),
      port('acme/far-0', 'far', ['dpu-3', 0], {
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'far-v4', ip: '10.0.0.10' }],
      }),
      port('acme/plain-0', 'plain', ['dpu-3', 1], { macAddress: '02:00:00:00:00:01' }),
    ],
  },

  pending: {
    about: 'Ports that wait: for a function, a representor, an underlay, hardware. Only one is connected.',
    dpus: { 'dpu-1': {}, 'dpu-2': { tunnelEndpoint: undefined } },
    functions: { 'dpu-1': ['pf0vf0', null, 'pf0vf2'], 'dpu-2': TWO_FUNCTIONS },
    items: [
      network('acme/plain', 5004),
      port('acme/reserved', 'plain', undefined, { macAddress: '02:00:00:00:00:01' }),
      port('acme/unknown', 'plain', ['dpu-9', 0], { macAddress: '02:00:00:00:00:02' }),
      port('acme/no-representor', 'plain', ['dpu-1', 1], { macAddress: '02:00:00:00:00:03' }),
      port('acme/no-underlay', 'plain', ['dpu-2', 0], { macAddress: '02:00:00:00:00:04' }),
      port('acme/connected', 'plain', ['dpu-1', 2], { macAddress: '02:00:00:00:00:05' }),
    ],
  },

  policies: {
    about:
      'Web may be reached by clients and monitoring, on a named port; what is allowed to all comes first. The database ' +
      'is on a DPU of its own and knows the web ports; a port of another router is in no group of theirs.',
    dpus: { 'dpu-1': {}, 'dpu-2': {} },
    functions: { 'dpu-1': [...TWO_FUNCTIONS, 'pf0vf2'], 'dpu-2': TWO_FUNCTIONS },
    items: [
      network('acme/blue', 5001),
      router('acme/edge', {}),
      network('acme/edge', 5003, { router: 'edge' }),
      subnet('acme/blue-v4', 'blue', '10.0.0.0/24'),
      ['AddressSet', 'acme/monitoring', { addresses: ['192.0.2.10', '2001:db8:50::/64'] }],
      [
        'SecurityPolicy',
        'acme/web',
        {
          portSelector: { matchLabels: { app: 'web' } },
          ingress: [
            {
              name: 'clients',
              peers: [
                { addressSet: 'monitoring' },
                { cidrBlock: { cidr: '10.0.0.0/8', except: ['10.66.0.0/16'] } },
              ],
              services: [{ protocol: 'TCP', portName: 'http' }, { protocol: 'ICMP' }],
            },
          ],
        },
      ],
      [
        'SecurityPolicy',
        'acme/database',
        {
          ingress: [
            {
              peers: [{ portSelector: { matchLabels: { app: 'web' } } }],
              services: [{ protocol: 'TCP', port: 5432 }],
            },
          ],
          egress: [],
          isolates: ['INGRESS', 'EGRESS'],
        },
      ],
      [
        'SecurityPolicy',
        'acme/ping',
        {
          tier: 'ADMIN',
          priority: 10,
          portSelector: {},
          ingress: [{ services: [{ protocol: 'ICMP', icmpType: 8 }] }],
        },
      ],
      port('acme/web-0', 'blue', ['dpu-1', 0], {
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }],
        namedPorts: [{ name: 'http', port: 8080 }],
        labels: { app: 'web' },
      }),
      port('acme/db-0', 'blue', ['dpu-2', 1], {
        macAddress: '02:00:00:00:00:02',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.20' }],
        securityPolicies: ['database'],
      }),
      port('acme/web-edge', 'edge', ['dpu-1', 2], {
        macAddress: '02:00:00:00:00:01',
        labels: { app: 'web' },
      }),
    ],
  },

  geneve: {
    about:
      'All networks are encapsulated as GENEVE, unless they ask for VXLAN: as the policy of everybody says.',
    dpus: { 'dpu-1': {}, 'dpu-2': { underlayMtu: 1400 } },
    functions: { 'dpu-1': TWO_FUNCTIONS, 'dpu-2': TWO_FUNCTIONS },
    items: [
      [
        'EncapsulationPolicy',
        '_/default',
        {
          defaultSegment: { networkType: 'GENEVE' },
          allowed: [{ networkType: 'GENEVE' }, { networkType: 'VXLAN' }],
        },
      ],
      ['Network', 'acme/gen', { segment: { networkType: 'GENEVE', segmentationId: 5001 } }],
      ['Network', 'acme/old', { segment: { networkType: 'VXLAN', segmentationId: 5001 } }],
      port('acme/web-0', 'gen', ['dpu-1', 0], { macAddress: '02:00:00:00:00:01' }),
      port('acme/web-1', 'gen', ['dpu-2', 0], { macAddress: '02:00:00:00:00:02' }),
      port('acme/db-0', 'old', ['dpu-1', 1], { macAddress: '02:00:00:00:00:03' }),
    ],
  },

  fabric: {
    about:
      'VLAN and FLAT networks by uplinks that differ, of DPUs without an underlay; one DPU is not attached, one has no VLANs.',
    dpus: {
      'dpu-1': { labels: { rack: 'r1' }, tunnelEndpoint: undefined },
      'dpu-2': { labels: { rack: 'r2' } },
      'dpu-3': {},
      'dpu-4': { labels: { rack: 'r1' }, encapsulations: ['VXLAN', 'FLAT'] },
    },
    functions: {
      'dpu-1': TWO_FUNCTIONS,
      'dpu-2': TWO_FUNCTIONS,
      'dpu-3': TWO_FUNCTIONS,
      'dpu-4': TWO_FUNCTIONS,
    },
    items: [
      [
        'PhysicalNetwork',
        '_/physnet1',
        {
          mtu: 9000,
          vlanRanges: [{ minimum: 100, maximum: 199 }],
          attachments: [
            { uplink: 'p9', dpus: ['dpu-2'] },
            { uplink: 'p0', dpuSelector: { matchExpressions: [{ key: 'rack', operator: 'Exists' }] } },
          ],
        },
      ],
      [
        'EncapsulationPolicy',
        '_/of-acme',
        {
          tenant: 'acme',
          defaultSegment: { networkType: 'GENEVE' },
          allowed: [
            { networkType: 'VLAN', physicalNetwork: 'physnet1', minimum: 100, maximum: 149 },
            { networkType: 'FLAT', physicalNetwork: 'physnet1' },
          ],
        },
      ],
      ['Network', 'acme/tagged', { segment: { networkType: 'VLAN', segmentationId: 101 }, mtu: 1500 }],
      ['Network', 'acme/bare', { segment: { networkType: 'FLAT' } }],
      port('acme/web-0', 'tagged', ['dpu-1', 0], { macAddress: '02:00:00:00:00:01' }),
      port('acme/web-1', 'tagged', ['dpu-2', 0], { macAddress: '02:00:00:00:00:02' }),
      port('acme/web-2', 'tagged', ['dpu-3', 0], { macAddress: '02:00:00:00:00:03' }),
      port('acme/db-0', 'bare', ['dpu-1', 1], { macAddress: '02:00:00:00:00:01' }),
      port('acme/db-1', 'bare', ['dpu-4', 1], { macAddress: '02:00:00:00:00:02' }),
    ],
  },

  'function-elsewhere': {
    about: 'A function that is told of another DPU, with another representor; the DPU is unreachable.',
    dpus: { 'dpu-1': { tunnelEndpoint: '192.0.2.77' as never }, 'dpu-2': { reachable: false } },
    functions: { 'dpu-1': ['rep0'], 'dpu-2': ['rep0', 'rep1'] },
    items: [
      network('acme/plain', 5004),
      port('acme/web-0', 'plain', ['dpu-1', 0], { macAddress: '02:00:00:00:00:01' }),
      port('acme/web-1', 'plain', ['dpu-2', 1], { macAddress: '02:00:00:00:00:02' }),
    ],
  },
};

/** How a world is reached; each must end in the same place. */
export interface Walk {
  readonly name: string;
  readonly order: 'as listed' | 'reversed';
  readonly inventory: 'first' | 'last';
  /** Everything in one commit, or each step in its own. */
  readonly grouped: boolean;
  /** Every command twice. */
  readonly repeated: boolean;
  /** Whether the workers keep up all the time, or only at the end. */
  readonly reports: 'always' | 'at the end';
}

const plain: Walk = {
  name: 'step by step',
  order: 'as listed',
  inventory: 'first',
  grouped: false,
  repeated: false,
  reports: 'always',
};

export const WALKS: readonly Walk[] = [
  plain,
  { ...plain, name: 'in reverse order', order: 'reversed' },
  { ...plain, name: 'with the inventory last', inventory: 'last' },
  { ...plain, name: 'in one commit', grouped: true },
  { ...plain, name: 'with every command repeated', repeated: true },
  { ...plain, name: 'while the workers lag behind', reports: 'at the end' },
  {
    name: 'in reverse order, inventory last, repeated, in one commit, workers behind',
    order: 'reversed',
    inventory: 'last',
    grouped: true,
    repeated: true,
    reports: 'at the end',
  },
];

/** Rounds of commands and reports after which everything that can be is settled. */
const MAX_ROUNDS = 8;

/** Brings a lab from whatever it has to the world. What is refused now (used, held, missing) is tried again. */
export function walkTo(lab: Lab, world: NamedWorld, walk: Walk): void {
  const step = () => {
    if (walk.inventory === 'first') tellInventory(lab, world);
    command(lab, world, walk);
    if (walk.inventory === 'last') tellInventory(lab, world);
  };
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = lab.decisions.length;
    if (walk.grouped) lab.group(step);
    else step();
    const behind = walk.reports === 'at the end' && round < MAX_ROUNDS / 2;
    if (!behind) for (const { name } of lab.records('Dpu')) lab.report(name);
    if (!behind && lab.decisions.slice(before).every(({ changes }) => changes.length === 0)) return;
  }
  throw new Error(`not there after ${MAX_ROUNDS} rounds`);
}

const ORDER_OF_DELETION = [
  'Port',
  'SecurityPolicy',
  'AddressSet',
  'Subnet',
  'Network',
  'Router',
  'EncapsulationPolicy',
  'PhysicalNetwork',
] as const;

function command(lab: Lab, { items }: NamedWorld, { order, repeated }: Walk): void {
  const wanted = order === 'reversed' ? [...items].reverse() : items;
  const keys = new Set(items.map(([kind, key]) => `${kind}/${key}`));
  for (const kind of ORDER_OF_DELETION) {
    for (const { resource } of lab.records(kind)) {
      const { tenant, name } = resource.metadata;
      if (!keys.has(`${kind}/${tenant}/${name}`)) lab.tryDelete(kind, name, tenant);
    }
  }
  for (const [kind, key, { labels = {}, ...spec }] of wanted) {
    const [tenant = '', name = ''] = key.split('/');
    for (let time = 0; time < (repeated ? 2 : 1); time++) {
      const applied = lab.tryApply(kind, name, spec, { tenant, labels });
      // What cannot change has to go first; what holds what is asked for, too.
      if (!applied.ok && applied.error.code !== 'NOT_FOUND') lab.tryDelete(kind, name, tenant);
    }
  }
}

function tellInventory(lab: Lab, { dpus, functions }: NamedWorld): void {
  const wanted = new Set(
    Object.entries(functions).flatMap(([dpu, list]) => list.map((_, vfNumber) => `${dpu}-pf0vf${vfNumber}`)),
  );
  for (const { name } of lab.records('Function')) if (!wanted.has(name)) lab.retire('Function', name);
  for (const { name, tunnelEndpoint } of lab.records('Dpu')) {
    // An underlay that was told once is kept: a DPU without one is another DPU.
    const fields = dpus[name];
    const lacksUnderlay = fields && 'tunnelEndpoint' in fields && fields.tunnelEndpoint === undefined;
    if (!fields || (lacksUnderlay && tunnelEndpoint)) lab.retire('Dpu', name);
  }
  for (const [name, fields] of Object.entries(dpus)) lab.dpu(name, fields);
  for (const [dpu, representors] of Object.entries(functions)) {
    for (const [vfNumber, representor] of representors.entries()) {
      lab.function(dpu, vfNumber, representor ?? null);
    }
  }
}
