import { AF_INET, libc, SOCK_CLOEXEC, SOCK_DGRAM } from '@outboard/ffi';
import type { NetworkNamespace } from '@outboard/netlink';

/** linux/ethtool.h: struct ethtool_value. */
const ETHTOOL_STXCSUM = 0x17;

/**
 * Makes a device fill in checksums itself instead of leaving that to whoever receives the packet in the same kernel:
 * what reads packets in user space, as Open vSwitch does, gets them as they are. Segmentation offload goes along.
 */
export function stopChecksumOffload(namespace: NetworkNamespace, device: string): void {
  const command = Buffer.alloc(8);
  command.writeUInt32LE(ETHTOOL_STXCSUM);
  const socket = namespace.run(() => libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  try {
    libc.ethtool(socket, device, command);
  } finally {
    libc.close(socket);
  }
}
