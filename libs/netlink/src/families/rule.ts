import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { struct } from '../codec/layout.js';
import { be32, be64, ip, string, u8, u32 } from '../codec/scalars.js';

/** `action` (linux/fib_rules.h). */
export const FR_ACT = { TO_TBL: 1, GOTO: 2, NOP: 3, BLACKHOLE: 6, UNREACHABLE: 7, PROHIBIT: 8 } as const;

/** Policy routing rules (RTM_NEWRULE and its kin). The table is always the attribute; the header's byte stays zero. */
export const rule = defineFamily({
  name: 'rule',
  protocol: 'route',
  header: {
    family: 'u8',
    dstLen: 'u8',
    srcLen: 'u8',
    tos: 'u8',
    headerTable: 'pad8',
    reserved: 'pad16',
    action: 'u8',
    flags: 'u32',
  },
  attributes: {
    dst: [1, ip],
    src: [2, ip],
    iifname: [3, string],
    goto: [4, u32],
    priority: [6, u32],
    fwmark: [10, u32],
    flow: [11, u32],
    tunId: [12, be64],
    suppressIfgroup: [13, u32],
    suppressPrefixlen: [14, u32],
    table: [15, u32],
    fwmask: [16, u32],
    oifname: [17, string],
    l3mdev: [19, u8],
    uidRange: [20, struct({ start: 'u32', end: 'u32' })],
    protocol: [21, u8],
    ipProto: [22, u8],
    sportRange: [23, struct({ start: 'u16', end: 'u16' })],
    dportRange: [24, struct({ start: 'u16', end: 'u16' })],
    dscp: [25, u8],
    flowlabel: [26, be32],
    flowlabelMask: [27, be32],
  },
  operations: { new: 32, delete: 33, get: 34 },
});

export type RuleInput = InputOf<typeof rule>;
export type Rule = OutputOf<typeof rule>;
