import type { Rule, RuleCidr, RulePeer, RuleService } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { IP_CT_DIR, NFT_CMP, NFT_CT, NFT_META, NFT_REG } from '@outboard/netlink';
import { type IpFamily, type Prefix, parsePrefix, prefixBounds } from './addresses.js';
import type { RuleExpression, RuleVerdict } from './linux-objects.js';
import { groupSetName, type PolicyDirection } from './policy-names.js';
import { NAMED_PORT_SETS, PASSED_MARK } from './port-sets.js';

/** One rule of a chain. */
export type Expressions = readonly RuleExpression[];

/** Rules of a chain; bounds what one transaction has to carry. */
export const MAX_CHAIN_RULES = 1100;

const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58 } as const;
const MAX_PORT = 65535;
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

/** A group as rules mean it. */
export interface KnownGroup {
  readonly id: string;
  readonly prefixes: boolean;
}

/**
 * A neutral rule as rules of a chain: one for every peer, family and service. What it reaches and who opens it is told
 * by connection tracking, so that both directions of a connection are judged alike.
 */
export function ruleRules(
  rule: Rule,
  direction: PolicyDirection,
  counter: string,
  groupOf: (key: string) => KnownGroup | undefined,
  field: string,
  problems: Problems,
): Expressions[] {
  const end = endOf(rule.action);
  if (end === undefined) problems.add(`${field}.action`, 'must be one of ALLOW, DENY, PASS');
  const peers = rule.peers.flatMap((peer, index) =>
    peerTerms(peer, direction, groupOf, `${field}.peers[${index}]`, problems),
  );
  const services = rule.services.flatMap((service, index) =>
    serviceTerms(service, `${field}.services[${index}]`, problems),
  );
  const anybody: Term = { family: undefined, expressions: [] };
  const everything: Term = { family: undefined, expressions: [] };
  const rules: Expressions[] = [];
  for (const peer of rule.peers.length > 0 ? peers : [anybody]) {
    for (const service of rule.services.length > 0 ? services : [everything]) {
      const impossible = peer.family && service.family && peer.family !== service.family;
      if (impossible) continue;
      rules.push([...peer.expressions, ...service.expressions, count(counter), ...(end ?? [])]);
    }
  }
  return rules;
}

function endOf(action: string): Expressions | undefined {
  switch (action) {
    case 'ALLOW':
      return [verdict('accept')];
    case 'DENY':
      return [verdict('drop')];
    case 'PASS':
      return PASS;
    default:
      return undefined;
  }
}

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

function peerTerms(
  { peer }: RulePeer,
  direction: PolicyDirection,
  groupOf: (key: string) => KnownGroup | undefined,
  field: string,
  problems: Problems,
): Term[] {
  if (peer.case === 'addressGroup') {
    const group = groupOf(peer.value);
    // One that is not known is waited for before this is asked.
    if (group === undefined) return [];
    return ([4, 6] as const).map((family) => ({
      family,
      expressions: [
        ...(group.prefixes
          ? [
              { name: 'ct', key: NFT_CT.L3PROTOCOL, dreg: R1 } as const,
              loadPeer(direction, family, BEHIND_R1),
            ]
          : [loadPeer(direction, family)]),
        { name: 'lookup', set: groupSetName(group.id, family, group.prefixes), sreg: R1 },
      ],
    }));
  }
  if (peer.case === 'cidr') return cidrTerm(peer.value, direction, `${field}.cidr`, problems);
  problems.add(field, 'must be a group or a prefix');
  return [];
}

function cidrTerm(
  { prefix: text, except }: RuleCidr,
  direction: PolicyDirection,
  field: string,
  problems: Problems,
): Term[] {
  const prefix = parsePrefix(text);
  if (prefix === undefined) problems.add(`${field}.prefix`, 'must be an IPv4 or IPv6 prefix');
  const exceptions = except.map((each, index) => {
    const parsed = parsePrefix(each);
    if (parsed === undefined || (prefix !== undefined && parsed.bits !== prefix.bits)) {
      problems.add(`${field}.except[${index}]`, 'must be a prefix of the same family');
    }
    return parsed;
  });
  if (prefix === undefined) return [];
  const family = prefix.bits === 32 ? 4 : 6;
  const compare = (each: Prefix, op: number): Expressions => [
    loadPeer(direction, family),
    ...prefixExpressions(each, op),
  ];
  return [
    {
      family,
      expressions: [
        ...compare(prefix, NFT_CMP.EQ),
        ...exceptions.flatMap((each) => (each === undefined ? [] : compare(each, NFT_CMP.NEQ))),
      ],
    },
  ];
}

function prefixExpressions(prefix: Prefix, op: number): Expressions {
  const { first, last } = prefixBounds(prefix);
  const len = first.length;
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const bits = first.map((byte, index) => ~(byte ^ (last[index] ?? 0)) & 0xff);
  return [
    { name: 'bitwise', sreg: R1, dreg: R1, len, mask: hex(bits), xor: '00'.repeat(len) },
    { name: 'cmp', sreg: R1, op, data: hex(first) },
  ];
}

function serviceTerms(service: RuleService, field: string, problems: Problems): Term[] {
  const { protocol, firstPort, lastPort, portName, icmpType, icmpCode } = service;
  const isProtocol: Expressions = [
    { name: 'ct', key: NFT_CT.PROTOCOL, dreg: R1 },
    { name: 'cmp', sreg: R1, op: NFT_CMP.EQ, data: protocol.toString(16).padStart(2, '0') },
  ];
  switch (protocol) {
    case PROTOCOL.TCP:
    case PROTOCOL.UDP:
      if (portName !== '') return namedPort(isProtocol, portName, field, problems);
      if (firstPort === 0) return [{ family: undefined, expressions: isProtocol }];
      if (firstPort > lastPort || lastPort > MAX_PORT) problems.add(field, 'must have ports from 1 to 65535');
      return [{ family: undefined, expressions: [...isProtocol, ...portRange(firstPort, lastPort)] }];
    case PROTOCOL.ICMP:
    case PROTOCOL.ICMPv6: {
      const family = protocol === PROTOCOL.ICMP ? 4 : 6;
      return [{ family, expressions: [...isProtocol, ...icmpExpressions(icmpType, icmpCode)] }];
    }
    default:
      problems.add(`${field}.protocol`, 'must be 1, 6, 17 or 58');
      return [];
  }
}

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
function namedPort(isProtocol: Expressions, portName: string, field: string, problems: Problems): Term[] {
  if (Buffer.byteLength(portName) >= NAME_LENGTH)
    problems.add(`${field}.portName`, 'must be shorter than 16');
  return ([4, 6] as const).map((family) => {
    // Registers as the kernel names them: of 16 bytes where one begins, of 4 otherwise.
    const [protocol, port, name] = family === 4 ? [9, 10, 11] : [2, 13, 14];
    return {
      family,
      expressions: [
        ...isProtocol,
        loadPeer('egress', family),
        { name: 'ct', key: NFT_CT.PROTOCOL, dreg: protocol },
        { name: 'ct', key: NFT_CT.PROTO_SRC, direction: IP_CT_DIR.REPLY, dreg: port },
        { name: 'load', dreg: name, data: paddedName(portName) },
        { name: 'lookup', set: NAMED_PORT_SETS[family], sreg: R1 },
      ],
    };
  });
}
