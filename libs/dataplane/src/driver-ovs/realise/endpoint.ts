import type { DriverObject } from '../../driver.js';
import { formatPrefix, parsePrefix } from '../../realise/addresses.js';
import { bytesPerSecondOf, policedBurst } from '../../realise/bandwidth.js';
import type { ParsedEndpoint } from '../../realise/realise-endpoint.js';
import type { Pair } from '../../realise/segment.js';
import type { Action } from '../openflow/actions.js';
import type { Match } from '../openflow/fields.js';
import type { Connection } from './connection.js';
import { flowObject, memberFlows, pairObjects, questionFor, reachObjects } from './members.js';
import {
  ALLOWED,
  identity,
  type MeterSpec,
  meterKey,
  type OvsSpec,
  PIPELINE_KEY,
  portKey,
  shortIdentity,
  TABLE,
} from './ovs-objects.js';
import { ARP_REQUEST, IS, ND } from './pipeline.js';
import type { Segment } from './segment.js';
import { steeringObjects } from './steering.js';

type Objects = readonly DriverObject<OvsSpec>[];

const LINK_LOCAL = 'fe80::/10';
/** What is sent before there is an address: duplicate address detection and joining groups (MLD, MLDv2). */
const BEFORE_ADDRESS = [ND.SOLICITATION, 131, 143] as const;

/**
 * An attached port: its port of the bridge, what it may send, how its connections are judged (`chains`), how it is known
 * and reached, then the gate by which its packets come in, and last what lets the host use it: the representor goes up when
 * all that is there. Administratively down, it has no gate, nothing is sent to it, and it is down.
 *
 * @param chains undefined: nobody judges its connections.
 */
export function endpointObjects(
  endpoint: ParsedEndpoint,
  connection: Connection,
  segment: Segment,
  chains: Objects | undefined,
): Objects {
  const { portUid, representor, adminUp, mac, addresses, bandwidth } = endpoint;
  const port = portKey(representor);
  const member = identity('port', portUid);
  const [ingress, egress] = [
    meterObjects('to', portUid, bandwidth.ingressKbps),
    meterObjects('from', portUid, bandwidth.egressKbps),
  ];
  const handOver: readonly Action[] = [...ingress.map(use), { output: representor }];
  const deliver: readonly Action[] = [{ resubmit: TABLE.COMMIT }, ...handOver];
  const metered = ingress.map(({ key }) => key);
  const delivery =
    chains === undefined
      ? []
      : [flowObject(TABLE.DELIVERY, 10, { xreg0: member, xreg7: ALLOWED }, deliver, [port, ...metered])];
  const judged = [...(chains ?? []), ...(adminUp ? delivery : [])];
  // Flows that are there with and without policies: a port is judged by all of them or by none.
  const sent = flowObject(
    TABLE.SENT,
    10,
    { in_port: representor },
    chains === undefined
      ? [{ goto: TABLE.FORWARD }]
      : [{ set: 'xreg0', to: member }, { goto: TABLE.ASK_SENDER }],
    [port, ...judged.map(({ key }) => key)],
  );
  const reach = reachObjects(
    segment,
    member,
    {},
    chains === undefined ? deliver : [{ goto: TABLE.ASK_RECEIVER }],
    [port, ...metered, ...judged.map(({ key }) => key)],
  );
  const senders = senderFlows(endpoint);
  const admit: readonly Action[] = [
    ...egress.map(use),
    { set: 'metadata', to: segment.metadata },
    { goto: TABLE.PROTOCOLS },
  ];
  const { objects: steering, closures } = steeringObjects({
    endpoint,
    admit,
    delivery: {
      ...(chains === undefined
        ? { table: TABLE.OUTPUT, match: { metadata: segment.metadata, xreg0: member } }
        : { table: TABLE.DELIVERY, match: { xreg0: member, xreg7: ALLOWED } }),
      actions: deliver,
    },
    handOver,
    after: [port, ...[...ingress, ...egress].map(({ key }) => key)],
  });
  const gate = flowObject(TABLE.INGRESS, 10, { in_port: representor }, admit, [
    port,
    PIPELINE_KEY,
    ...closures,
    ...[...egress, sent, ...senders].map(({ key }) => key),
  ]);
  return [
    ...connection.ports,
    ...ingress,
    ...egress,
    ...senders,
    ...judged,
    sent,
    ...memberFlows(segment, member, mac, addresses),
    ...pairObjects(segment, member, endpoint),
    // Its own addresses are not answered for: it would take that for a conflict.
    ...addresses.map((address) =>
      flowObject(
        TABLE.ANSWERS,
        20,
        { in_port: representor, ...questionFor(address) },
        [{ goto: TABLE.TRACKING }],
        [port],
      ),
    ),
    ...(adminUp ? [...reach, ...steering, gate] : []),
    ...connection.last(adminUp ? gate.key : undefined, segment),
  ];
}

function meterObjects(direction: 'to' | 'from', portUid: string, kbps: number): DriverObject<MeterSpec>[] {
  if (kbps === 0) return [];
  // 0 is no number of a meter.
  const id = shortIdentity('meter', direction, portUid) || 1;
  const burst = Math.ceil((policedBurst(bytesPerSecondOf(kbps)) * 8) / 1000);
  return [{ key: meterKey(id), spec: { kind: 'meter', id, rate: kbps, burst }, after: [] }];
}

const use = ({ spec: { id: meter } }: DriverObject<MeterSpec>): Action => ({ meter });

/** The frames that a port may send; all others end here. */
function senderFlows({ representor, mac, addresses, pairs }: ParsedEndpoint): Objects {
  const after = [portKey(representor)];
  const allow = (table: number, eth_src: string, match: Match): DriverObject<OvsSpec> =>
    flowObject(
      table,
      10,
      { in_port: representor, eth_src, ...match },
      [{ goto: table === TABLE.TARGETS ? TABLE.SENDERS : TABLE.ANSWERS }],
      after,
    );
  const macs = new Set([mac, ...pairs.map((pair) => pair.mac)]);
  const anySource = [...macs].flatMap((own) => [
    // Probes (RFC 5227) claim nothing.
    allow(TABLE.SENDERS, own, { ...IS.arp, arp_op: ARP_REQUEST, arp_spa: '0.0.0.0', arp_sha: own }),
    allow(TABLE.SENDERS, own, { ...IS.ipv6, ipv6_src: LINK_LOCAL }),
    ...BEFORE_ADDRESS.map((type) => allow(TABLE.SENDERS, own, { ...IS.icmpv6(type), ipv6_src: '::' })),
    // Link-local addresses are the guest's own business, under its own MAC address.
    allow(TABLE.TARGETS, own, { ...IS.icmpv6(ND.ADVERTISEMENT), nd_target: LINK_LOCAL }),
  ]);
  const own = addresses.flatMap((address) => parsePrefix(address) ?? []);
  const sources: readonly Pair[] = [...own.map((source) => ({ mac, source })), ...pairs];
  const bySource = sources.flatMap(({ mac: from, source }) => {
    // A field whose mask is empty is not matched at all.
    const value = source.length === source.bits ? source.address : formatPrefix(source);
    const is = <Name extends keyof Match>(name: Name): Match =>
      source.length === 0 ? {} : { [name]: value };
    return source.bits === 32
      ? [
          allow(TABLE.SENDERS, from, { ...IS.ipv4, ...is('ipv4_src') }),
          allow(TABLE.SENDERS, from, { ...IS.arp, arp_sha: from, ...is('arp_spa') }),
        ]
      : [
          allow(TABLE.SENDERS, from, { ...IS.ipv6, ...is('ipv6_src') }),
          allow(TABLE.TARGETS, from, { ...IS.icmpv6(ND.ADVERTISEMENT), ...is('nd_target') }),
        ];
  });
  return [...new Map([...anySource, ...bySource].map((each) => [each.key, each])).values()];
}
