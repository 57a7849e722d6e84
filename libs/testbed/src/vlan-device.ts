import { ETH_P_ALL, libc, openPacketSocket, SystemError, watchReadable } from '@outboard/ffi';
import {
  applyAll,
  BPF,
  link,
  NetlinkSocket,
  type NetworkNamespace,
  socketFilter,
  taggedFrame,
  upFlags,
  VLAN_ID_MASK,
  VLAN_TAG,
  WHOLE_MESSAGE,
} from '@outboard/netlink';
import { stopChecksumOffload } from './offload.js';
import { configureDevice, type PortStatus } from './port-status.js';

const RECEIVE_BUFFER_BYTES = 1 << 20;
const MAX_FRAME_BYTES = 65_536;
export interface VlanDeviceOptions {
  readonly namespace: NetworkNamespace;
  /** The device whose VLAN it is. */
  readonly parent: string;
  readonly vlanId: number;
  /** Its name. */
  readonly device: string;
  readonly status: PortStatus;
}

/**
 * What a VLAN device of the kernel is (`ip link add link eth0 type vlan id 101`), for kernels that have none: one end of a veth
 * that the pod uses, and behind the other one everything passes that has the tag at the parent.
 */
export class VlanDevice implements Disposable {
  readonly #pumps: readonly Disposable[];

  private constructor(pumps: readonly Disposable[]) {
    this.#pumps = pumps;
  }

  /** Throws AppError INTERNAL with the kernel's refusal, NetlinkError ENODEV (the parent). */
  static async create({ namespace, parent, vlanId, device, status }: VlanDeviceOptions): Promise<VlanDevice> {
    const socket = NetlinkSocket.open({ namespace });
    try {
      const behind = `${device}-tag`;
      const { mtu, macAddress } = status;
      const peer = { ifname: behind, mtu };
      const what = `VLAN ${vlanId} of ${parent}`;
      await applyAll(socket, `make ${what}`, [
        link.create({
          ifname: device,
          mtu,
          ...(macAddress && { address: macAddress }),
          linkinfo: { kind: 'veth', data: { peer } },
        }),
      ]);
      stopChecksumOffload(namespace, device);
      const index = async (ifname: string): Promise<number> =>
        (await socket.get(link.get({ ifname }))).ifiIndex;
      const [outside, inside] = [await index(parent), await index(behind)];
      await applyAll(socket, `open ${what}`, [link.change({ ifiIndex: inside, ...upFlags() })]);
      const [tagged, untagged] = [
        openSocket(namespace, outside, hasTag(vlanId)),
        openSocket(namespace, inside, undefined),
      ];
      const pumps = [
        pump(tagged, untagged, (frame) => frame),
        pump(untagged, tagged, (frame) => taggedFrame(frame, vlanId)),
      ];
      await configureDevice({ socket, namespace }, what, device, status, []);
      return new VlanDevice(pumps);
    } finally {
      socket.close();
    }
  }

  /** The device stays, and leads nowhere. */
  [Symbol.dispose](): void {
    for (const each of this.#pumps) each[Symbol.dispose]();
  }
}

const openSocket = (namespace: NetworkNamespace, device: number, filter: Uint8Array | undefined): number =>
  openPacketSocket({
    namespace,
    device,
    protocol: ETH_P_ALL,
    receiveBufferBytes: RECEIVE_BUFFER_BYTES,
    outgoing: false,
    ...(filter && { filter }),
  });

/** Lets nothing pass but frames of the VLAN. */
const hasTag = (vlanId: number): Uint8Array =>
  socketFilter([
    [BPF.LOAD_WORD, 0, 0, VLAN_TAG.IS_PRESENT],
    [BPF.JUMP_IF_EQUAL, 0, 4, 1],
    [BPF.LOAD_WORD, 0, 0, VLAN_TAG.ID_AND_PRIORITY],
    [BPF.AND, 0, 0, VLAN_ID_MASK],
    [BPF.JUMP_IF_EQUAL, 0, 1, vlanId],
    [BPF.RETURN, 0, 0, WHOLE_MESSAGE],
    [BPF.RETURN, 0, 0, 0],
  ]);

/** Sends by one socket what comes by another, which it closes in the end. What cannot be sent is lost, as on a wire. */
function pump(from: number, to: number, change: (frame: Buffer) => Buffer): Disposable {
  const buffer = Buffer.alloc(MAX_FRAME_BYTES);
  const attempt = (act: () => number): number => {
    try {
      return act();
    } catch (failure) {
      if (failure instanceof SystemError) return -1;
      throw failure;
    }
  };
  const watcher = watchReadable(from, () => {
    for (;;) {
      const length = attempt(() => libc.receive(from, buffer));
      if (length < 0) return;
      const frame = change(buffer.subarray(0, Math.min(length, buffer.length)));
      attempt(() => libc.sendto(to, frame, frame.length, null));
    }
  });
  return {
    [Symbol.dispose]: () => {
      watcher[Symbol.dispose]();
      libc.close(from);
    },
  };
}
