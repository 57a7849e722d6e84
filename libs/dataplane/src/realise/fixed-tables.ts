import { GATEWAY_REVISION, GATEWAY_RULES, GATEWAY_TABLE, gatewayScript } from './gateway-table.js';
import { GUARD_REVISION, GUARD_RULES, GUARD_TABLE, guardScript } from './guard-table.js';
import {
  POLICY_HOOK_CHAINS,
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
  script(comment: string): string;
}

/** `ports`: what ports may send. `policies`: which connections they may have. `gateways`: what the router itself answers. */
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
    chains: POLICY_HOOK_CHAINS,
    script: policyScript,
  },
  gateways: {
    family: 'inet',
    table: GATEWAY_TABLE,
    revision: GATEWAY_REVISION,
    rules: GATEWAY_RULES,
    script: gatewayScript,
  },
} as const satisfies Record<string, FixedTable>;

export type FixedTableName = keyof typeof FIXED_TABLES;

export const FIXED_TABLE_NAMES = Object.keys(FIXED_TABLES) as FixedTableName[];

/** Marks a table as ours, of this revision. */
export const tableComment = (revision: number): string => `outboard revision ${revision}`;
