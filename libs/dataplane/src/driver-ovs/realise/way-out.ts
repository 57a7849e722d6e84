import type { DriverObject, Underlay } from '../../driver.js';
import { DOOR_PREFIX } from '../../realise/egress-tables.js';
import { uplinkTable } from '../../realise/fixed-table-objects.js';
import { addressKey } from '../../realise/linux-objects.js';
import { doorAddress, EXIT_ADDRESS } from '../../realise/realise-egress.js';
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
import { ARP_REQUEST, IS } from './pipeline.js';

type Objects = readonly DriverObject<OvsSpec>[];

/**
 * The way out of a router: what nothing else is a route for is translated to an address of its own and handed to the
 * DPU's kernel by the exit, a port of the bridge that is a device there. The kernel translates it once more, to the
 * underlay's address, and knows the way on the fabric. Answers come by the exit, and go on in the router.
 */
export function wayOutObjects(key: string, underlay: Underlay): Objects {
  const router = identity('router', key);
  const [zone, door] = [wayOutZone(key), doorAddress(key)];
  const zoneName = `0x${zone.toString(16).padStart(16, '0')}`;
  const exit = exitObjects(underlay);
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
      { metadata: router, xreg0: router, ...IS.ipv4 },
      [{ ct: { zone, commit: true, nat: { source: door }, table: TABLE.EXIT } }],
      open,
    ),
    flowObject(
      TABLE.ANSWERED,
      10,
      { metadata: router, ct_state: '+rpl-inv+trk', ...IS.ipv4 },
      [{ resubmit: TABLE.ROUTES }],
      [],
    ),
    flowObject(
      TABLE.INGRESS,
      10,
      { in_port: EXIT_DEVICE, ...IS.ipv4, ipv4_dst: door },
      [{ set: 'metadata', to: router }, { ct: { zone, nat: {}, table: TABLE.ANSWERED } }],
      open,
    ),
  ];
  const route = flowObject(
    TABLE.ROUTES,
    1,
    { metadata: router, ...IS.ipv4 },
    [{ decrementTtl: true }, { set: 'xreg0', to: zoneName }, { goto: TABLE.ZONES }],
    ways.map((object) => object.key),
  );
  return [...exit, ...ways, route];
}

/** What all ways out have in common. */
function exitObjects({ address }: Underlay): Objects {
  const port = portKey(EXIT_DEVICE);
  const exit = exitKey(EXIT_DEVICE);
  const table = uplinkTable(UNDERLAY_BRIDGE, address);
  const own = `${EXIT_ADDRESS}/${DOOR_PREFIX.split('/')[1]}`;
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
    // Its peers are all that are translated to: the kernel's route to them comes with it.
    {
      key: addressKey(EXIT_DEVICE, own),
      spec: {
        kind: 'address',
        namespace: '',
        device: EXIT_DEVICE,
        address: own,
        peer: DOOR_PREFIX.split('/')[0] ?? '',
      },
      after: [exit],
      within: exit,
    },
    // Whatever address there the kernel asks for, it gets to by the bridge.
    flowObject(
      TABLE.INGRESS,
      10,
      { in_port: EXIT_DEVICE, ...IS.arp, arp_op: ARP_REQUEST, arp_tpa: DOOR_PREFIX },
      [{ set: 'xreg3', to: DOOR_MAC }, { goto: TABLE.REPLY }],
      [port, PIPELINE_KEY],
    ),
    flowObject(
      TABLE.EXIT,
      10,
      { ct_state: '-inv+trk', ...IS.ipv4, ipv4_src: DOOR_PREFIX },
      [{ set: 'eth_dst', to: EXIT_MAC }, { output: EXIT_DEVICE }],
      [port],
    ),
  ];
}
