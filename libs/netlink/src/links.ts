import { NetlinkError } from './channel.js';
import type { MessageFamily, Request } from './codec/family.js';
import { IFF, type Link, type LinkInput, link } from './families/link.js';
import type { NetlinkSocket } from './socket.js';

/** Sets the device administratively up or down, which takes the flag and the mask that says it is meant. */
export const setUp = (ifiIndex: number, up = true): Request<Link> =>
  link.change({ ifiIndex, ...upFlags(up) });

/** The header fields of a link message that make the device up (or down): to be spread into a `create` or `change`. */
export const upFlags = (up = true): Pick<LinkInput, 'ifiFlags' | 'ifiChange'> => ({
  ifiFlags: up ? IFF.UP : 0,
  ifiChange: IFF.UP,
});

/**
 * To be spread into both ends of a new veth: one queue each way. Of one that is not told how many, the kernel makes as
 * many as there are processors, takes all but one away again, and waits each time until nobody sends by them.
 */
export const ONE_QUEUE = { numTxQueues: 1, numRxQueues: 1 } as const satisfies LinkInput;

/**
 * The device of that name in the socket's namespace, or undefined. Throws NetlinkError for anything but absence.
 *
 * @param family `link`, or what is to be read of it.
 */
export async function linkByName(
  socket: NetlinkSocket,
  ifname: string,
  family: MessageFamily<Link> = link,
): Promise<Link | undefined> {
  try {
    return await socket.get({ ...link.get({ ifname }), family });
  } catch (failure) {
    if (failure instanceof NetlinkError && failure.code === 'ENODEV') return undefined;
    throw failure;
  }
}
