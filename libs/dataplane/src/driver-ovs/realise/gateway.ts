import type { RouterInterface } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject } from '../../driver.js';
import { GATEWAY_LINK_LOCAL } from '../../host-configuration/responder-spec.js';
import { formatPrefix, interfaceAddress, parsePrefix } from '../../realise/addresses.js';
import { macAddress } from '../../realise/values.js';
import type { Action } from '../openflow/actions.js';
import type { Match } from '../openflow/fields.js';
import { answerFlow, flowObject } from './members.js';
import { identity, type OvsSpec, TABLE } from './ovs-objects.js';
import { FROM_HERE, IS } from './pipeline.js';
import type { Segment } from './segment.js';

type Objects = readonly DriverObject<OvsSpec>[];

const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const TTL = 64;

/**
 * The gateway of a network: what is for its MAC address is routed, what is for its addresses is a ping or dropped, its
 * subnets are reached by its network, and what it sends there bears its MAC address and one hop less.
 */
export function gatewayObjects(gateway: RouterInterface, { metadata }: Segment): Objects {
  const problems = new Problems();
  const mac = macAddress('macAddress', gateway.macAddress, problems);
  const router = identity('router', gateway.router);
  const perAddress = gateway.addresses.flatMap((text, index) =>
    gatewayAddressFlows(`addresses[${index}]`, text, mac, gateway.router, metadata, problems),
  );
  if (problems.total > 0) throw problems.toError();
  const hasIpv6 = gateway.addresses.some((text) => text.includes(':'));
  // What hosts are told of as their router (RFC 4861): it answers, and has no subnet.
  const linkLocal = hasIpv6
    ? [
        answerFlow(metadata, GATEWAY_LINK_LOCAL, mac),
        answerFlow(metadata, GATEWAY_LINK_LOCAL, mac, mac),
        echoFlow(router, GATEWAY_LINK_LOCAL),
      ]
    : [];
  return [
    ...perAddress,
    ...linkLocal,
    flowObject(
      TABLE.FORWARD,
      30,
      { metadata, eth_dst: mac, ...FROM_HERE },
      [{ set: 'metadata', to: router }, { goto: TABLE.ROUTES }],
      [],
    ),
    ...[IS.ipv4, IS.ipv6].map((family) =>
      flowObject(
        TABLE.GATEWAYS,
        10,
        { metadata, ...family },
        [{ set: 'eth_src', to: mac }, { decrementTtl: true }, { resubmit: TABLE.FORWARD }],
        [],
      ),
    ),
  ];
}

/** One address of a gateway with that MAC address, and the prefix that is on its link. `routerKey`: of its Router. */
export function gatewayAddressFlows(
  field: string,
  text: string,
  mac: string,
  routerKey: string,
  metadata: string,
  problems: Problems,
): Objects {
  const own = interfaceAddress(text);
  const prefix = parsePrefix(text);
  if (own === undefined || prefix === undefined) {
    problems.add(field, 'must be an address and a prefix length');
    return [];
  }
  const router = identity('router', routerKey);
  const [address = ''] = own.split('/');
  const destination = prefix.bits === 32 ? 'ipv4_dst' : 'ipv6_dst';
  const connected: Match =
    prefix.length === 0
      ? {}
      : { [destination]: prefix.length === prefix.bits ? prefix.address : formatPrefix(prefix) };
  return [
    answerFlow(metadata, address, mac),
    answerFlow(metadata, address, mac, mac),
    echoFlow(router, address),
    flowObject(TABLE.ROUTES, 190, { metadata: router, ...ip(prefix.bits), [destination]: address }, [], []),
    flowObject(
      TABLE.ROUTES,
      1 + prefix.length,
      { metadata: router, ...ip(prefix.bits), ...connected },
      [
        { set: 'metadata', to: metadata },
        prefix.bits === 32 ? { move: 'ipv4_dst', into: 'xreg2' } : { move: 'ipv6_dst', into: 'xxreg2' },
        { goto: TABLE.NEIGHBOURS },
      ],
      [],
    ),
  ];
}

const ip = (bits: 32 | 128): Match => (bits === 32 ? IS.ipv4 : IS.ipv6);

/** The router answers pings itself, whichever of its networks they come from. */
function echoFlow(router: string, address: string): DriverObject<OvsSpec> {
  const isV6 = address.includes(':');
  const { request, reply } = ECHO[isV6 ? 6 : 4];
  const swap: readonly Action[] = [
    { move: 'eth_dst', into: 'xreg3' },
    { move: 'eth_src', into: 'eth_dst' },
    { move: 'xreg3', into: 'eth_src' },
    isV6 ? { move: 'ipv6_src', into: 'ipv6_dst' } : { move: 'ipv4_src', into: 'ipv4_dst' },
    { set: isV6 ? 'ipv6_src' : 'ipv4_src', to: address },
    { set: isV6 ? 'icmpv6_type' : 'icmpv4_type', to: reply },
    { set: 'ip_ttl', to: TTL },
    { output: 'IN_PORT' },
  ];
  const match: Match = isV6
    ? { ...IS.icmpv6(request), ipv6_dst: address }
    : { ...IS.icmpv4(request), ipv4_dst: address };
  return flowObject(TABLE.ROUTES, 200, { metadata: router, ...match }, swap, []);
}
