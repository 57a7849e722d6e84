import { route } from './families/route.js';

/** Opcodes of classic BPF (linux/bpf_common.h): loads are big-endian, wherever they run. */
const LOAD_HALF = 0x28;
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const WHOLE = 0xffffffff;

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
  const instructions: [code: number, ifTrue: number, ifFalse: number, value: number][] = [
    [LOAD_HALF, 0, 0, TYPE_OFFSET],
    [JUMP_IF_EQUAL, 2, 0, swapped16(route.newType)],
    [JUMP_IF_EQUAL, 1, 0, swapped16(route.deleteType)],
    [RETURN, 0, 0, WHOLE],
    [LOAD_WORD, 0, 0, PORT_ID_OFFSET],
    ...portIds.map((portId, index): [number, number, number, number] => [
      JUMP_IF_EQUAL,
      portIds.length - index,
      0,
      swapped32(portId),
    ]),
    [RETURN, 0, 0, WHOLE],
    [RETURN, 0, 0, 0],
  ];
  const program = Buffer.alloc(8 * instructions.length);
  for (const [index, [code, ifTrue, ifFalse, value]] of instructions.entries()) {
    program.writeUInt16LE(code, 8 * index);
    program.writeUInt8(ifTrue, 8 * index + 2);
    program.writeUInt8(ifFalse, 8 * index + 3);
    program.writeUInt32LE(value, 8 * index + 4);
  }
  return program;
}
