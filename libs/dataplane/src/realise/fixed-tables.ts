import { GATEWAY_REVISION, GATEWAY_RULES, GATEWAY_TABLE, gatewayScript } from './gateway-table.js';
import { GUARD_REVISION, GUARD_RULES, GUARD_TABLE, guardScript } from './guard-table.js';

/** An nftables table whose rules never change: what does are elements of its sets. */
export interface FixedTable {
  readonly family: 'bridge' | 'inet';
  readonly table: string;
  readonly revision: number;
  /** How many rules it has: whether one was added or taken away is told by their number. */
  readonly rules: number;
  /** For `nft -f -`: replaces the table, whatever it was, in one transaction. */
  script(comment: string): string;
}

/** `ports`: what ports may send. `gateways`: what the router itself answers. */
export const FIXED_TABLES = {
  ports: {
    family: 'bridge',
    table: GUARD_TABLE,
    revision: GUARD_REVISION,
    rules: GUARD_RULES,
    script: guardScript,
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
