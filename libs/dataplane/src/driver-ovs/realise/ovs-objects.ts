import { hash as digest } from 'node:crypto';
import type { ResponderSpec } from '../../host-configuration/responder-spec.js';
import type { AddressSpec, GuardSpec, RepresentorSpec } from '../../realise/linux-objects.js';
import { DEVICE_PREFIXES } from '../../realise/names.js';
import type { Action } from '../openflow/actions.js';
import { type Match, matchText } from '../openflow/fields.js';

/** What neutral objects become on Open vSwitch: all of it on one bridge, the integration bridge. */
export type OvsSpec =
  | PipelineSpec
  | PortSpec
  | ExitSpec
  | GuardSpec
  | AddressSpec
  | MeterSpec
  | GroupSpec
  | BucketSpec
  | FlowSpec
  | ResponderSpec
  | RepresentorSpec;

/** The flows that do not depend on what is wanted: checks, answers, what happens to the rest. `pipeline/obs0`. */
export interface PipelineSpec {
  readonly kind: 'pipeline';
  readonly revision: number;
  /** How many of them are as they should be. */
  readonly flows: number;
}

/** A port of the bridge. `port/<name>`. */
export interface PortSpec {
  readonly kind: 'port';
  readonly name: string;
  /** `system`: a device of the DPU. */
  readonly type: 'system' | 'internal' | 'vxlan' | 'geneve' | 'patch';
  readonly options: Readonly<Record<string, string>>;
  /** The switch has it open. */
  readonly attached: boolean;
}

/** What the kernel is to do with the device of a port of type `internal`. `exit/<name>`. */
export interface ExitSpec {
  readonly kind: 'exit';
  readonly name: string;
  readonly mac: string;
  readonly up: boolean;
  /** IPv4. */
  readonly forwarding: boolean;
}

/** How much goes through: 1000 bits a second, and as a burst 1000 bits. `meter/<id>`. */
export interface MeterSpec {
  readonly kind: 'meter';
  readonly id: number;
  readonly rate: number;
  readonly burst: number;
}

/** Where copies of a packet go (`all`), or one of the ways that it takes (`select`). `group/<id>`. */
export interface GroupSpec {
  readonly kind: 'group';
  readonly id: number;
  readonly type: 'all' | 'select';
  /** Of `select`; those of `all` are objects of their own. */
  readonly ways?: readonly { readonly weight: number; readonly actions: readonly Action[] }[];
}

/** One place where copies go. `bucket/<group>/<id>`. */
export interface BucketSpec {
  readonly kind: 'bucket';
  readonly group: number;
  readonly id: number;
  readonly actions: readonly Action[];
}

/** A flow, of a kind by its table (`kindOfFlow`). `flow/<table>/<priority>/<match>`. */
export interface FlowSpec {
  readonly kind: FlowKind;
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
}

/**
 * Flows in the order in which they are made: members of a set after the set, rules after their segment, a policy after
 * all of its rules and their counters, a port's chain after its policies, what leads out of a hop before what leads into it,
 * and after all others a port's gate, which lets its packets in.
 */
export const FLOW_KINDS = [
  'counter',
  'set',
  'member',
  'segment',
  'rule',
  'policy',
  'chain',
  'hopexit',
  'flow',
  'steering',
  'gate',
] as const;
export type FlowKind = (typeof FLOW_KINDS)[number];

const ALL_FLOW_KINDS: ReadonlySet<string> = new Set(FLOW_KINDS);
export const isFlow = (spec: OvsSpec): spec is FlowSpec => ALL_FLOW_KINDS.has(spec.kind);

/** In which order they are made; reversed, taken away. */
export const OVS_ORDER = [
  'pipeline',
  'guard',
  'port',
  'exit',
  'address',
  'meter',
  'group',
  'bucket',
  ...FLOW_KINDS,
  'responder',
  'representor',
] as const satisfies readonly OvsSpec['kind'][];

/**
 * Each change of ports makes the switch look at all of them. What packets are judged by goes after what asked for it
 * asks for something else.
 */
export const OVS_SLOW_TO_REMOVE: ReadonlySet<OvsSpec['kind']> = new Set([
  'port',
  'guard',
  'set',
  'segment',
  'policy',
  'chain',
  // Packets may be in the hop when they are not sent there any more.
  'hopexit',
]);

/** A port's packets come in by one flow, behind all that they are judged by. */
export const OVS_READ_BACK_BEFORE: ReadonlySet<OvsSpec['kind']> = new Set(['gate']);

/** What one bundle of flows has. */
export const OVS_TOGETHER: readonly ReadonlySet<OvsSpec['kind']>[] = [
  new Set(['counter', 'set', 'member', 'segment', 'rule', 'policy', 'chain', 'hopexit', 'flow', 'steering']),
];

/** What bundles carry. */
export const OVS_AT_ONCE: ReadonlySet<OvsSpec['kind']> = new Set(FLOW_KINDS);

export const OVS_PARTS: ReadonlySet<OvsSpec['kind']> = new Set(['member']);

/** The bridge that all traffic of ports goes through, and the one that tunnels leave by. */
export const INTEGRATION_BRIDGE = 'obs0';
export const UNDERLAY_BRIDGE = 'obu0';
export const TUNNEL_PORTS = { vxlan: 'obt-vxlan', geneve: 'obt-geneve' } as const;
/** The two ends of the patch between the bridges, for networks on the device that tunnels leave by. */
export const UPLINK_PATCH = { integration: 'obt-uplink', underlay: 'obt-access' } as const;

/** The port that is a device of the DPU, by which routers reach the fabric; its name is one that the uplink's table knows. */
export const EXIT_DEVICE = `${DEVICE_PREFIXES.exit}0`;
/** The two ends of it: the kernel's, and that of all routers. */
export const EXIT_MAC = '0e:4f:42:00:00:01';
export const DOOR_MAC = '0e:4f:42:00:00:02';

/** In `vlan_vid`, that there is a tag at all. */
export const VLAN_PRESENT = 0x1000;

/** Tables, in the order in which packets meet them; from 30 on those that are asked and come back. */
export const TABLE = {
  INGRESS: 0,
  PROTOCOLS: 1,
  TARGETS: 2,
  SENDERS: 3,
  ANSWERS: 4,
  TRACKING: 5,
  CONNECTIONS: 6,
  SENT: 7,
  ASK_SENDER: 8,
  PERMITTED: 9,
  FORWARD: 10,
  ROUTES: 11,
  HOPS: 12,
  NEIGHBOURS: 13,
  GATEWAYS: 14,
  OUTPUT: 15,
  ASK_RECEIVER: 16,
  DELIVERY: 17,
  ZONES: 18,
  WAYS_OUT: 19,
  EXIT: 20,
  ANSWERED: 21,
  CHAINS: 30,
  POLICIES: 31,
  SEGMENTS: 32,
  SETS: 33,
  RULES: 34,
  VERDICTS: 35,
  COMMIT: 36,
  REPLY: 40,
  REPLY_ND: 41,
  /** Has no flows, but for moments in which the switch is to notice that flows change. */
  TOUCH: 50,
} as const;

/** What is known of a packet in xreg7 while it is judged. */
const verdict = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;
export const UNDECIDED = verdict(0);
export const ALLOWED = verdict(1);
export const DENIED = verdict(2);
/** No further policy of tier ADMIN is asked. */
export const PASSED = verdict(3);

export const PIPELINE_KEY = `pipeline/${INTEGRATION_BRIDGE}`;
export const portKey = (name: string): string => `port/${name}`;
export const exitKey = (name: string): string => `exit/${name}`;
export const meterKey = (id: number): string => `meter/${id}`;
export const groupKey = (id: number): string => `group/${id}`;
export const bucketKey = (group: number, id: number): string => `bucket/${group}/${id}`;
export const flowKey = ({ table, priority, match }: FlowPlace): string =>
  `flow/${table}/${priority}/${matchText(match)}`;

type FlowPlace = Pick<FlowSpec, 'table' | 'priority' | 'match'>;

const KIND_OF_TABLE: ReadonlyMap<number, FlowKind> = new Map([
  [TABLE.INGRESS, 'gate'],
  [TABLE.CHAINS, 'chain'],
  [TABLE.POLICIES, 'policy'],
  [TABLE.SEGMENTS, 'segment'],
  [TABLE.RULES, 'rule'],
  [TABLE.SETS, 'member'],
  [TABLE.VERDICTS, 'counter'],
]);
/** The flow that stands for a set, under all of its members. */
const SET_PRIORITY = 0;

/**
 * Flows of service chains, in tables whose own flows have less: at a port's gate, behind its delivery, and at a hop's gate.
 * What does not go into a chain that it is for is closed out; what is excepted goes past it.
 */
export const STEERING_PRIORITY = {
  entry: { closure: 25, steering: 30, exception: 40 },
  delivery: { closure: 15, steering: 20, exception: 30 },
  hop: 35,
} as const;

export function kindOfFlow({ table, priority }: FlowPlace): FlowKind {
  if (table === TABLE.SETS && priority === SET_PRIORITY) return 'set';
  if (table === TABLE.INGRESS && priority === STEERING_PRIORITY.hop) return 'hopexit';
  const isDelivery = table === TABLE.OUTPUT || table === TABLE.DELIVERY;
  if (isDelivery && priority >= STEERING_PRIORITY.delivery.closure) return 'steering';
  return KIND_OF_TABLE.get(table) ?? 'flow';
}

/** Flows that take those of a number along, which they are looked up by. */
export const setPlace = (set: string): FlowPlace => ({
  table: TABLE.SETS,
  priority: SET_PRIORITY,
  match: { xreg1: set },
});
export const segmentPlace = (segment: string): FlowPlace => ({
  table: TABLE.SEGMENTS,
  priority: 10,
  match: { xreg1: segment, xreg7: UNDECIDED },
});

/** The key of the flow with which a flow comes and goes. */
export function containerOf(flow: FlowPlace): string | undefined {
  const number = String(flow.match.xreg1);
  switch (kindOfFlow(flow)) {
    case 'member':
      return flowKey(setPlace(number));
    case 'rule':
      return flowKey(segmentPlace(number));
    default:
      return undefined;
  }
}

/** 64 bits that stand for a network, a router, a member in the registers of a packet. */
export const identity = (...names: readonly string[]): string =>
  `0x${digest('sha256', names.join(' '), 'hex').slice(0, 16)}`;

/**
 * 31 bits for groups and buckets, which have no room for more. Two networks whose groups met in one would not reach
 * each other: the outputs behind a group match the network, too.
 */
export const shortIdentity = (...names: readonly string[]): number =>
  Number.parseInt(digest('sha256', names.join(' '), 'hex').slice(0, 8), 16) >>> 1;

/**
 * Zones of connection tracking have 16 bits. Those of ways out are in the upper half of them, so that what else is
 * tracked (in the lower half) never meets a translated connection.
 */
export const wayOutZone = (router: string): number => 0x8000 | (shortIdentity('way out', router) & 0x7fff);
