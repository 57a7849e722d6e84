import type { DriverObject, Underlay } from '../../driver.js';
import { DOOR_PREFIX, DOOR_PREFIX_IPV6 } from '../../realise/egress-tables.js';
import { uplinkTable } from '../../realise/fixed-table-objects.js';
import { addressKey } from '../../realise/linux-keys.js';
import {
  doorAddress,
  doorAddressIpv6,
  EXIT_ADDRESS,
  EXIT_ADDRESS_IPV6,
} from '../../realise/realise-egress.js';
import type { Match } from '../openflow/fields.js';
import { flowObject } from './members.js';
import {
  DOOR_MAC,
  EXIT_DEVICE,
  EXIT_MAC,
  exitKey,
  identity,
  type OvsSpec,
  PIPELINE_KEY,
  portKey,
  TABLE,
  UNDERLAY_BRIDGE,
  wayOutZone,
} from './ovs-objects.js';
import { ARP_REQUEST, IS, ND } from './pipeline.js';

type Objects = readonly DriverObject<OvsSpec>[];

interface Family {
  readonly is: Match;
  readonly source: 'ipv4_src' | 'ipv6_src';
  readonly destination: 'ipv4_dst' | 'ipv6_dst';
  /** The kernel's addresses at the exit: its route to all doors comes with them. */
  readonly own: readonly { readonly address: string; readonly peer?: string }[];
  /** The prefix of all doors, and how the kernel asks who has one of them. */
  readonly doors: string;
  readonly question: Match;
  readonly doorOf: (router: string) => string;
}

const IPV4: Family = {
  is: IS.ipv4,
  source: 'ipv4_src',
  destination: 'ipv4_dst',
  own: [{ address: `${EXIT_ADDRESS}/${DOOR_PREFIX.split('/')[1]}`, peer: DOOR_PREFIX.split('/')[0] ?? '' }],
  doors: DOOR_PREFIX,
  question: { ...IS.arp, arp_op: ARP_REQUEST, arp_tpa: DOOR_PREFIX },
  doorOf: doorAddress,
};
const IPV6: Family = {
  is: IS.ipv6,
  source: 'ipv6_src',
  destination: 'ipv6_dst',
  // Of a peer's prefix the kernel makes a route to the first address only; without a link-local address it asks nobody.
  own: [{ address: DOOR_PREFIX_IPV6.replace('::', '::1') }, { address: `${EXIT_ADDRESS_IPV6}/64` }],
  doors: DOOR_PREFIX_IPV6,
  question: { ...IS.icmpv6(ND.SOLICITATION), nd_target: DOOR_PREFIX_IPV6 },
  doorOf: doorAddressIpv6,
};

/**
 * The way out of a router: what nothing else is a route for is translated to an address of its own and handed to the
 * DPU's kernel by the exit, a port of the bridge that is a device there. The kernel translates it once more, to the
 * underlay's address, and knows the way on the fabric. Answers come by the exit, and go on in the router.
 */
const wayOut =
  (family: Family) =>
  (key: string, underlay: Underlay): Objects => {
    const { is, destination, doorOf } = family;
    const router = identity('router', key);
    const [zone, door] = [wayOutZone(key), doorOf(key)];
    const zoneName = `0x${zone.toString(16).padStart(16, '0')}`;
    const exit = exitObjects(underlay, family);
    const open = [PIPELINE_KEY, ...exit.map((object) => object.key)];
    const ways: Objects = [
      // Two routers may have one zone. Its flow says whose it is; packets of the other one end in the next table.
      flowObject(
        TABLE.ZONES,
        10,
        { xreg0: zoneName },
        [{ set: 'xreg0', to: router }, { goto: TABLE.WAYS_OUT }],
        [],
      ),
      flowObject(
        TABLE.WAYS_OUT,
        10,
        { metadata: router, xreg0: router, ...is },
        [{ ct: { zone, commit: true, nat: { source: door }, table: TABLE.EXIT } }],
        open,
      ),
      flowObject(
        TABLE.ANSWERED,
        10,
        { metadata: router, ct_state: '+rpl-inv+trk', ...is },
        [{ resubmit: TABLE.ROUTES }],
        [],
      ),
      flowObject(
        TABLE.INGRESS,
        10,
        { in_port: EXIT_DEVICE, ...is, [destination]: door },
        [{ set: 'metadata', to: router }, { ct: { zone, nat: {}, table: TABLE.ANSWERED } }],
        open,
      ),
    ];
    const route = flowObject(
      TABLE.ROUTES,
      1,
      { metadata: router, ...is },
      [{ decrementTtl: true }, { set: 'xreg0', to: zoneName }, { goto: TABLE.ZONES }],
      ways.map((object) => object.key),
    );
    return [...exit, ...ways, route];
  };

export const wayOutIpv4 = wayOut(IPV4);
export const wayOutIpv6 = wayOut(IPV6);

/** What all ways out of a family have in common. */
function exitObjects({ address }: Underlay, { is, source, own, doors, question }: Family): Objects {
  const port = portKey(EXIT_DEVICE);
  const exit = exitKey(EXIT_DEVICE);
  const table = uplinkTable(UNDERLAY_BRIDGE, address);
  return [
    table,
    {
      key: port,
      spec: { kind: 'port', name: EXIT_DEVICE, type: 'internal', options: {}, attached: true },
      after: [],
    },
    {
      key: exit,
      spec: { kind: 'exit', name: EXIT_DEVICE, mac: EXIT_MAC, up: true, forwarding: true },
      after: [port, table.key],
      within: port,
    },
    ...own.map(
      (each): DriverObject<OvsSpec> => ({
        key: addressKey(EXIT_DEVICE, each.address),
        spec: { kind: 'address', namespace: '', device: EXIT_DEVICE, ...each },
        after: [exit],
        within: exit,
      }),
    ),
    // Whatever address there the kernel asks for, it gets to by the bridge.
    flowObject(
      TABLE.INGRESS,
      10,
      { in_port: EXIT_DEVICE, ...question },
      [{ set: 'xreg3', to: DOOR_MAC }, { goto: TABLE.REPLY }],
      [port, PIPELINE_KEY],
    ),
    flowObject(
      TABLE.EXIT,
      10,
      { ct_state: '-inv+trk', ...is, [source]: doors },
      [{ set: 'eth_dst', to: EXIT_MAC }, { output: EXIT_DEVICE }],
      [port],
    ),
  ];
}
