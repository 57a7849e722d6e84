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

/** A flow; a `gate` lets packets of a port in, and comes after all others. `flow/<table>/<priority>/<match>`. */
export interface FlowSpec {
  readonly kind: 'flow' | 'gate';
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
}

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
  'flow',
  'gate',
  'responder',
  'representor',
] as const satisfies readonly OvsSpec['kind'][];

/** Each change of ports makes the switch look at all of them. What they stand behind goes after them. */
export const OVS_SLOW_TO_REMOVE: ReadonlySet<OvsSpec['kind']> = new Set(['port', 'guard']);

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

/** Tables, in the order in which packets meet them. */
export const TABLE = {
  INGRESS: 0,
  PROTOCOLS: 1,
  TARGETS: 2,
  SENDERS: 3,
  ANSWERS: 4,
  FORWARD: 5,
  OUTPUT: 6,
  ROUTES: 7,
  HOPS: 8,
  REPLY: 9,
  REPLY_ND: 10,
  NEIGHBOURS: 11,
  GATEWAYS: 12,
  ZONES: 13,
  WAYS_OUT: 14,
  EXIT: 15,
  ANSWERED: 16,
} as const;

export const PIPELINE_KEY = `pipeline/${INTEGRATION_BRIDGE}`;
export const portKey = (name: string): string => `port/${name}`;
export const exitKey = (name: string): string => `exit/${name}`;
export const meterKey = (id: number): string => `meter/${id}`;
export const groupKey = (id: number): string => `group/${id}`;
export const bucketKey = (group: number, id: number): string => `bucket/${group}/${id}`;
export const flowKey = ({ table, priority, match }: Omit<FlowSpec, 'kind' | 'actions'>): string =>
  `flow/${table}/${priority}/${matchText(match)}`;

export const kindOfTable = (table: number): FlowSpec['kind'] => (table === TABLE.INGRESS ? 'gate' : 'flow');

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
