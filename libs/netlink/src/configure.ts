import { AppError } from '@outboard/core';
import type { NetworkNamespace } from '@outboard/ffi';
import type { Message } from './codec/family.js';
import { address, IFA_F } from './families/address.js';
import { AF, RT_SCOPE, RT_TABLE, RTN, RTNH_F, RTPROT, route } from './families/route.js';
import { NetlinkSocket } from './socket.js';

/** An IP address with the length of its prefix in bits. */
export interface PrefixedAddress {
  readonly ip: string;
  readonly prefixLength: number;
}

/** An address that is usable at once: no duplicate address detection. */
export function addressMessage(ifaIndex: number, { ip, prefixLength }: PrefixedAddress): Message {
  const version4 = !ip.includes(':');
  return address.create({
    ifaFamily: version4 ? AF.INET : AF.INET6,
    ifaPrefixlen: prefixLength,
    ifaIndex,
    address: ip,
    ...(version4 ? { local: ip } : { flags: IFA_F.NODAD }),
  });
}

/** A default route. The gateway need not lie in a prefix of the device: a port may have a /32 or a /128. */
export const defaultRouteMessage = (oif: number, gateway: string): Message =>
  route.create({
    rtmFamily: gateway.includes(':') ? AF.INET6 : AF.INET,
    rtmTable: RT_TABLE.MAIN,
    rtmProtocol: RTPROT.STATIC,
    rtmScope: RT_SCOPE.UNIVERSE,
    rtmType: RTN.UNICAST,
    rtmFlags: RTNH_F.ONLINK,
    gateway,
    oif,
  });

/** A socket in a namespace for the time of an action. */
export async function withSocket<Value>(
  namespace: NetworkNamespace | undefined,
  action: (socket: NetlinkSocket) => Promise<Value>,
): Promise<Value> {
  const socket = NetlinkSocket.open(namespace === undefined ? {} : { namespace });
  try {
    return await action(socket);
  } finally {
    socket.close();
  }
}

/**
 * Sends messages of which every one has to succeed; those that wait for a grace period (moves of devices) on a pool
 * thread. Throws AppError INTERNAL that names the first refusal.
 */
export async function applyAll(
  socket: NetlinkSocket,
  what: string,
  messages: readonly Message[],
  options: { readonly offThread?: boolean } = {},
): Promise<void> {
  const { failures } = await (options.offThread ? socket.batchOffThread(messages) : socket.batch(messages));
  const [first] = failures;
  if (first === undefined) return;
  const more = failures.length === 1 ? '' : ` and ${failures.length - 1} more`;
  const text = first.message === '' ? first.code : `${first.message} (${first.code})`;
  throw new AppError('INTERNAL', `${what}: message ${first.index} of ${messages.length}: ${text}${more}`, {
    metadata: { errno: first.code },
  });
}
