/** Opcodes of classic BPF (linux/bpf_common.h): loads are big-endian, wherever they run. */
export const BPF = {
  LOAD_BYTE: 0x30,
  LOAD_HALF: 0x28,
  LOAD_WORD: 0x20,
  LOAD_HALF_INDEXED: 0x48,
  /** X becomes four times the low half of a byte: the length of an IPv4 header. */
  LOAD_HEADER_LENGTH: 0xb1,
  AND: 0x54,
  JUMP_IF_EQUAL: 0x15,
  JUMP_IF_SET: 0x45,
  RETURN: 0x06,
} as const;

/** Where a load finds what the kernel took out of a frame (linux/filter.h: SKF_AD_OFF + SKF_AD_VLAN_TAG...). */
export const VLAN_TAG = { ID_AND_PRIORITY: 0xfffff000 + 44, IS_PRESENT: 0xfffff000 + 48 } as const;
/** Of a tag, which VLAN it is. */
export const VLAN_ID_MASK = 0x0fff;

/** What a filter returns to let everything of a message pass. */
export const WHOLE_MESSAGE = 0xffffffff;

/** One instruction; the jumps count the instructions to skip. */
export type BpfInstruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

const INSTRUCTION_LENGTH = 8;

/** A program for `libc.attachFilter` (struct sock_filter, linux/filter.h). */
export function socketFilter(instructions: readonly BpfInstruction[]): Uint8Array {
  const program = Buffer.alloc(INSTRUCTION_LENGTH * instructions.length);
  for (const [index, [code, ifTrue, ifFalse, value]] of instructions.entries()) {
    const offset = INSTRUCTION_LENGTH * index;
    program.writeUInt16LE(code, offset);
    program.writeUInt8(ifTrue, offset + 2);
    program.writeUInt8(ifFalse, offset + 3);
    program.writeUInt32LE(value >>> 0, offset + 4);
  }
  return program;
}
