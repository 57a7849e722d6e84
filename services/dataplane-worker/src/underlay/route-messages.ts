import { AF, type Message, type Route, RT_SCOPE, RT_TABLE, RTN, RTPROT, route } from '@outboard/netlink';
import { metricOf, type RouteSetting } from './settings.js';

/** linux/rtnetlink.h: from router advertisements. */
const RTPROT_RA = 9;
/** What the kernel makes and mends itself. */
const KERNELS: ReadonlySet<number> = new Set([RTPROT.KERNEL, RTPROT.REDIRECT, RTPROT_RA]);
/** Flags of a route that somebody has set; the others tell its state. */
const ONLINK = 4;

/** Undefined for a route that is not in the main table, or that the kernel has made itself. */
export function routeSettingOf(message: Route, nameAt: (index: number) => string): RouteSetting | undefined {
  const { rtmTable, rtmProtocol, rtmFamily, rtmDstLen, oif, gateway, prefsrc, metrics, multipath } = message;
  if (rtmTable !== RT_TABLE.MAIN || KERNELS.has(rtmProtocol)) return undefined;
  const dst = message.dst ?? (rtmFamily === AF.INET6 ? '::' : '0.0.0.0');
  const destination = `${dst}/${rtmDstLen}`;
  return {
    kind: 'route',
    destination,
    metric: metricOf(destination, message.priority ?? 0),
    device: oif === undefined ? undefined : nameAt(oif),
    gateway,
    attributes: {
      type: message.rtmType,
      scope: message.rtmScope,
      protocol: rtmProtocol,
      flags: message.rtmFlags & ONLINK,
      ...(prefsrc !== undefined && { source: prefsrc }),
      ...(metrics?.mtu !== undefined && { mtu: metrics.mtu }),
      ...(multipath !== undefined && {
        hops: multipath.map((hop) => ({
          device: nameAt(hop.rtnhIfindex),
          gateway: hop.gateway,
          flags: hop.rtnhFlags & ONLINK,
          weight: hop.rtnhHops,
        })),
      }),
    },
  };
}

export function routeMessageOf(
  action: 'set' | 'remove',
  { destination, metric, device, gateway, attributes }: RouteSetting,
  indexOf: (device: string) => number,
): Message {
  const slash = destination.indexOf('/');
  const dst = destination.slice(0, slash);
  const rtmDstLen = Number(destination.slice(slash + 1));
  const where = {
    rtmFamily: dst.includes(':') ? AF.INET6 : AF.INET,
    rtmTable: RT_TABLE.MAIN,
    rtmDstLen,
    ...(rtmDstLen > 0 && { dst }),
    ...(metric > 0 && { priority: metric }),
  };
  const isOnLink = gateway === undefined && attributes?.hops === undefined;
  const usual = {
    type: RTN.UNICAST,
    scope: isOnLink && where.rtmFamily === AF.INET ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE,
    protocol: RTPROT.STATIC,
    flags: 0,
  };
  const { type, scope, protocol, flags, source, mtu, hops } = { ...usual, ...attributes };
  if (action === 'remove') return route.remove({ ...where, rtmType: type, rtmScope: RT_SCOPE.NOWHERE });
  return route.replace({
    ...where,
    rtmType: type,
    rtmScope: scope,
    rtmProtocol: protocol,
    rtmFlags: flags,
    ...(device !== undefined && { oif: indexOf(device) }),
    ...(gateway !== undefined && { gateway }),
    ...(source !== undefined && { prefsrc: source }),
    ...(mtu !== undefined && { metrics: { mtu } }),
    ...(hops && {
      multipath: hops.map((hop) => ({
        rtnhFlags: hop.flags,
        rtnhHops: hop.weight,
        rtnhIfindex: indexOf(hop.device),
        ...(hop.gateway !== undefined && { gateway: hop.gateway }),
      })),
    }),
  });
}
