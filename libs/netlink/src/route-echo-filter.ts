import { route } from './families/route.js';
import { BPF, type BpfInstruction, socketFilter, WHOLE_MESSAGE } from './socket-filter.js';

/** Of nlmsg_type and nlmsg_pid in struct nlmsghdr. */
const TYPE_OFFSET = 4;
const PORT_ID_OFFSET = 12;

/**
 * A socket filter that drops messages about routes that these ports changed, in the kernel, before they cost anything.
 * Header fields are in host order (little-endian), which the big-endian loads see the other way round.
 */
export function routeEchoFilter(portIds: readonly number[]): Uint8Array {
  const swapped16 = (value: number): number => ((value & 0xff) << 8) | (value >> 8);
  const swapped32 = (value: number): number => Buffer.from(Uint32Array.of(value).buffer).readUInt32BE();
  return socketFilter([
    [BPF.LOAD_HALF, 0, 0, TYPE_OFFSET],
    [BPF.JUMP_IF_EQUAL, 2, 0, swapped16(route.newType)],
    [BPF.JUMP_IF_EQUAL, 1, 0, swapped16(route.deleteType)],
    [BPF.RETURN, 0, 0, WHOLE_MESSAGE],
    [BPF.LOAD_WORD, 0, 0, PORT_ID_OFFSET],
    ...portIds.map(
      (portId, index): BpfInstruction => [BPF.JUMP_IF_EQUAL, portIds.length - index, 0, swapped32(portId)],
    ),
    [BPF.RETURN, 0, 0, WHOLE_MESSAGE],
    [BPF.RETURN, 0, 0, 0],
  ]);
}
