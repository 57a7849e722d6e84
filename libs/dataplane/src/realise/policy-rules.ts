import { IP_CT_DIR, NFT_CMP, NFT_CT, NFT_META, NFT_REG } from '@outboard/netlink';
import { type IpFamily, type Prefix, prefixBounds } from './addresses.js';
import type { RuleExpression, RuleVerdict } from './linux-objects.js';
import {
  type ParsedPeer,
  type ParsedRule,
  type ParsedService,
  type PolicyDirection,
  PROTOCOL,
  type RuleAction,
} from './parse-rule.js';
import { groupId, groupSetName } from './policy-names.js';
import { NAMED_PORT_SETS, PASSED_MARK } from './port-sets.js';

/** One rule of a chain. */
export type Expressions = readonly RuleExpression[];

/** Rules of a chain; bounds what one transaction has to carry. */
export const MAX_CHAIN_RULES = 1100;

/** Bytes of a name in sets: IFNAMSIZ, which the set's type is made for. */
const NAME_LENGTH = 16;
const MARK_LENGTH = 4;
const R1 = NFT_REG.R1;
/** What is behind the first four bytes of `R1`. */
const BEHIND_R1 = NFT_REG.R32 + 1;

/** A 32-bit value in the order of the machine, as marks are. */
export function hostOrder(value: number): string {
  const bytes = Buffer.alloc(MARK_LENGTH);
  bytes.writeUInt32LE(value);
  return bytes.toString('hex');
}

const networkOrder = (value: number): string => value.toString(16).padStart(4, '0');

/** A name as sets have it. */
export function paddedName(name: string): string {
  const bytes = Buffer.alloc(NAME_LENGTH);
  bytes.write(name);
  return bytes.toString('hex');
}

const verdict = (code: RuleVerdict, chain?: string): RuleExpression =>
  chain === undefined ? { name: 'verdict', code } : { name: 'verdict', code, chain };

const loadMark: RuleExpression = { name: 'meta', key: NFT_META.MARK, dreg: R1 };
const mask = (bits: number, flipped = 0): RuleExpression => ({
  name: 'bitwise',
  sreg: R1,
  dreg: R1,
  len: MARK_LENGTH,
  mask: hostOrder(bits),
  xor: hostOrder(flipped),
});
const storeMark: RuleExpression = { name: 'meta', key: NFT_META.MARK, sreg: R1 };
const UNPASSED: Expressions = [
  loadMark,
  mask(PASSED_MARK),
  { name: 'cmp', sreg: R1, op: NFT_CMP.EQ, data: hostOrder(0) },
];
const PASS: Expressions = [loadMark, mask(0x7fffffff, PASSED_MARK), storeMark, verdict('return')];
const FORGET_PASS: Expressions = [loadMark, mask(0x7fffffff), storeMark];

/** What a port does with connections in one direction. */
export interface PortJudgement {
  /** Chains of policies, in their order. */
  readonly admin: readonly string[];
  readonly normal: readonly string[];
  readonly baseline: readonly string[];
  /** Where what nobody has allowed is counted; undefined: the port is not isolated. */
  readonly denied: string | undefined;
}

/** A port's own chain: its policies tier by tier. What ends it without a verdict is allowed. */
export function portRules({ admin, normal, baseline, denied }: PortJudgement): Expressions[] {
  const jump = (chain: string): RuleExpression => verdict('jump', chain);
  const rules = [
    ...admin.map((chain, index) => (index === 0 ? [jump(chain)] : [...UNPASSED, jump(chain)])),
    ...(admin.length > 0 ? [FORGET_PASS] : []),
    ...normal.map((chain) => [jump(chain)]),
  ];
  if (denied !== undefined) return [...rules, [count(denied), verdict('drop')]];
  return [...rules, ...baseline.map((chain) => [jump(chain)]), [verdict('accept')]];
}

const count = (counter: string): RuleExpression => ({ name: 'count', counter });

/**
 * A parsed rule as rules of a chain: one for every peer, family and service. What it reaches and who opens it is told
 * by connection tracking, so that both directions of a connection are judged alike.
 */
export function ruleRules(
  { action, peers, services }: ParsedRule,
  direction: PolicyDirection,
  counter: string,
): Expressions[] {
  const anybody: Term = { family: undefined, expressions: [] };
  const everything: Term = { family: undefined, expressions: [] };
  const rules: Expressions[] = [];
  for (const peer of peers.length > 0 ? peers.flatMap((each) => peerTerms(each, direction)) : [anybody]) {
    for (const service of services.length > 0 ? services.flatMap(serviceTerms) : [everything]) {
      const impossible = peer.family && service.family && peer.family !== service.family;
      if (impossible) continue;
      rules.push([...peer.expressions, ...service.expressions, count(counter), ...END[action]]);
    }
  }
  return rules;
}

const END: Readonly<Record<RuleAction, Expressions>> = {
  ALLOW: [verdict('accept')],
  DENY: [verdict('drop')],
  PASS,
};

/** A part of a rule; of a family, what is of another cannot be meant. */
interface Term {
  readonly family: IpFamily | undefined;
  readonly expressions: Expressions;
}

/** Who opened the connection, or what it reaches behind any translation of addresses. */
const loadPeer = (direction: PolicyDirection, family: IpFamily, dreg: number = R1): RuleExpression => ({
  name: 'ct',
  key: family === 4 ? NFT_CT.SRC_IP : NFT_CT.SRC_IP6,
  direction: direction === 'ingress' ? IP_CT_DIR.ORIGINAL : IP_CT_DIR.REPLY,
  dreg,
});

function peerTerms(peer: ParsedPeer, direction: PolicyDirection): Term[] {
  if (peer.kind === 'group') {
    const { key, prefixes } = peer;
    return ([4, 6] as const).map((family) => ({
      family,
      expressions: [
        ...(prefixes
          ? [
              { name: 'ct', key: NFT_CT.L3PROTOCOL, dreg: R1 } as const,
              loadPeer(direction, family, BEHIND_R1),
            ]
          : [loadPeer(direction, family)]),
        { name: 'lookup', set: groupSetName(groupId(key), family, prefixes), sreg: R1 },
      ],
    }));
  }
  const { prefix, except } = peer;
  const family = prefix.bits === 32 ? 4 : 6;
  const compare = (each: Prefix, op: number): Expressions => [
    loadPeer(direction, family),
    ...prefixExpressions(each, op),
  ];
  return [
    {
      family,
      expressions: [...compare(prefix, NFT_CMP.EQ), ...except.flatMap((each) => compare(each, NFT_CMP.NEQ))],
    },
  ];
}

function prefixExpressions(prefix: Prefix, op: number): Expressions {
  const { first, last } = prefixBounds(prefix);
  const len = first.length;
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  // Whole bytes are compared as they are: packets pass many rules that are not theirs.
  if (prefix.length > 0 && prefix.length % 8 === 0)
    return [{ name: 'cmp', sreg: R1, op, data: hex(first.subarray(0, prefix.length / 8)) }];
  const bits = first.map((byte, index) => ~(byte ^ (last[index] ?? 0)) & 0xff);
  return [
    { name: 'bitwise', sreg: R1, dreg: R1, len, mask: hex(bits), xor: '00'.repeat(len) },
    { name: 'cmp', sreg: R1, op, data: hex(first) },
  ];
}

function serviceTerms(service: ParsedService): Term[] {
  if (service.kind === 'icmp') {
    const { family, type, code } = service;
    const protocol = isProtocol(family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPv6);
    return [{ family, expressions: [...protocol, ...icmpExpressions(type, code)] }];
  }
  const protocol = isProtocol(service.protocol);
  if (service.kind === 'named') return namedPort(protocol, service.portName);
  const { ports } = service;
  return [
    { family: undefined, expressions: [...protocol, ...(ports === undefined ? [] : portRange(...ports))] },
  ];
}

const isProtocol = (protocol: number): Expressions => [
  { name: 'ct', key: NFT_CT.PROTOCOL, dreg: R1 },
  { name: 'cmp', sreg: R1, op: NFT_CMP.EQ, data: protocol.toString(16).padStart(2, '0') },
];

function portRange(first: number, last: number): Expressions {
  const load = { name: 'ct', key: NFT_CT.PROTO_SRC, direction: IP_CT_DIR.REPLY, dreg: R1 } as const;
  const compare = (op: number, port: number) =>
    ({ name: 'cmp', sreg: R1, op, data: networkOrder(port) }) as const;
  if (first === last) return [load, compare(NFT_CMP.EQ, first)];
  return [load, compare(NFT_CMP.GTE, first), compare(NFT_CMP.LTE, last)];
}

/** The opening packet's type and code stand where others have a destination port. */
function icmpExpressions(type: number | undefined, code: number | undefined): Expressions {
  if (type === undefined) return [];
  const load = { name: 'ct', key: NFT_CT.PROTO_DST, direction: IP_CT_DIR.ORIGINAL, dreg: R1 } as const;
  if (code !== undefined) {
    return [load, { name: 'cmp', sreg: R1, op: NFT_CMP.EQ, data: networkOrder(type * 256 + code) }];
  }
  return [
    load,
    { name: 'bitwise', sreg: R1, dreg: R1, len: 2, mask: 'ff00', xor: '0000' },
    { name: 'cmp', sreg: R1, op: NFT_CMP.EQ, data: networkOrder(type * 256) },
  ];
}

/** Looks what is reached up among the named ports, whoever opens the connection. */
function namedPort(isOfProtocol: Expressions, portName: string): Term[] {
  return ([4, 6] as const).map((family) => {
    // Registers as the kernel names them: of 16 bytes where one begins, of 4 otherwise.
    const [protocol, port, name] = family === 4 ? [9, 10, 11] : [2, 13, 14];
    return {
      family,
      expressions: [
        ...isOfProtocol,
        loadPeer('egress', family),
        { name: 'ct', key: NFT_CT.PROTOCOL, dreg: protocol },
        { name: 'ct', key: NFT_CT.PROTO_SRC, direction: IP_CT_DIR.REPLY, dreg: port },
        { name: 'load', dreg: name, data: paddedName(portName) },
        { name: 'lookup', set: NAMED_PORT_SETS[family], sreg: R1 },
      ],
    };
  });
}
