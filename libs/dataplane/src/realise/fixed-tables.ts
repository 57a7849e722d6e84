import {
  EGRESS_REVISION,
  EGRESS_RULES,
  EGRESS_TABLE,
  egressScript,
  UPLINK_RULES,
  UPLINK_TABLE,
  uplinkScript,
} from './egress-tables.js';
import { GATEWAY_REVISION, GATEWAY_RULES, GATEWAY_TABLE, gatewayScript } from './gateway-table.js';
import { GUARD_REVISION, GUARD_RULES, GUARD_TABLE, guardScript } from './guard-table.js';
import {
  FIXED_POLICY_CHAINS,
  POLICY_REVISION,
  POLICY_RULES,
  POLICY_TABLE,
  policyScript,
} from './policy-table.js';

/** An nftables table with rules that never change: what does are elements of its sets, and other chains. */
export interface FixedTable {
  readonly family: 'bridge' | 'inet';
  readonly table: string;
  readonly revision: number;
  /** How many rules it has: whether one was added or taken away is told by their number. */
  readonly rules: number;
  /** The chains that these are in, where there are others. */
  readonly chains?: ReadonlySet<string>;
  /** For `nft -f -`: replaces the table, whatever it was, in one transaction. */
  script(comment: string, way: string): string;
}

/**
 * `ports`: what ports may send. `policies`: which connections they may have. `gateways`: what the router itself answers.
 * `egress`: what leaves a router. `uplink`, in the DPU's namespace: what may become of that there.
 */
export const FIXED_TABLES = {
  ports: {
    family: 'bridge',
    table: GUARD_TABLE,
    revision: GUARD_REVISION,
    rules: GUARD_RULES,
    script: guardScript,
  },
  policies: {
    family: 'inet',
    table: POLICY_TABLE,
    revision: POLICY_REVISION,
    rules: POLICY_RULES,
    chains: FIXED_POLICY_CHAINS,
    script: policyScript,
  },
  gateways: {
    family: 'inet',
    table: GATEWAY_TABLE,
    revision: GATEWAY_REVISION,
    rules: GATEWAY_RULES,
    script: gatewayScript,
  },
  egress: {
    family: 'inet',
    table: EGRESS_TABLE,
    revision: EGRESS_REVISION,
    rules: EGRESS_RULES,
    script: egressScript,
  },
  uplink: {
    family: 'inet',
    table: UPLINK_TABLE,
    revision: EGRESS_REVISION,
    rules: UPLINK_RULES,
    script: uplinkScript,
  },
} as const satisfies Record<string, FixedTable>;

export type FixedTableName = keyof typeof FIXED_TABLES;

/** What every router has, before anything else. */
export const ROUTER_TABLES = ['ports', 'policies', 'gateways'] as const satisfies readonly FixedTableName[];

export const FIXED_TABLE_NAMES = Object.keys(FIXED_TABLES) as FixedTableName[];

/** Marks a table as ours, of this revision, and says what it was made for. */
export const tableComment = (revision: number, way = ''): string =>
  `outboard revision ${revision}${way && ` by ${way}`}`;
