import { unreachable } from '@outboard/core';
import type { Action, ConnectionTracking } from './actions.js';
import { type FieldName, fieldBits } from './fields.js';

/** Actions as ovs-actions(7) writes them, and as `ovs-ofctl dump-flows` shows them; none: `drop`. */
export const actionsText = (actions: readonly Action[]): string =>
  actions.length === 0 ? 'drop' : actions.map(actionText).join(',');

function actionText(action: Action): string {
  if ('output' in action) return action.output === 'IN_PORT' ? action.output : `output:${action.output}`;
  if ('group' in action) return `group:${action.group}`;
  if ('set' in action) return `set_field:${action.to}->${action.set}`;
  if ('move' in action) {
    const bits = Math.min(fieldBits(action.move), fieldBits(action.into));
    return `move:${lastBits(action.move, bits)}->${lastBits(action.into, bits)}`;
  }
  if ('copyBit' in action) return `move:${action.copyBit}[0]->${action.into}[${action.bit}]`;
  if ('note' in action) return `note:${noteBytes(action.note)}`;
  if ('resubmit' in action) return `resubmit(,${action.resubmit})`;
  if ('pushVlan' in action) return 'push_vlan:0x8100';
  if ('popVlan' in action) return 'pop_vlan';
  if ('decrementTtl' in action) return 'dec_ttl';
  if ('meter' in action) return `meter:${action.meter}`;
  if ('ct' in action) return trackingText(action.ct);
  if ('goto' in action) return `goto_table:${action.goto}`;
  return unreachable(action);
}

/** In hexadecimal, filled up to the length that actions have. */
function noteBytes(note: string): string {
  const bytes = Buffer.from(note);
  const filled = Buffer.alloc(6 + 8 * Math.max(0, Math.ceil((bytes.length - 6) / 8)));
  bytes.copy(filled);
  return [...filled].map((byte) => byte.toString(16).padStart(2, '0')).join('.');
}

const lastBits = (field: FieldName, bits: number): string =>
  `${field}[${bits === fieldBits(field) ? '' : `0..${bits - 1}`}]`;

const natText = ({ source }: NonNullable<ConnectionTracking['nat']>): string =>
  source === undefined ? 'nat' : `nat(src=${source.includes(':') ? `[${source}]` : source})`;

function trackingText({ zone, commit, force, table, nat, set }: ConnectionTracking): string {
  const parts = [
    ...(commit ? ['commit'] : []),
    ...(force ? ['force'] : []),
    ...(table === undefined ? [] : [`table=${table}`]),
    `zone=${zone}`,
    ...(nat === undefined ? [] : [natText(nat)]),
    ...(set === undefined ? [] : [`exec(set_field:${set.ct_mark}->ct_mark)`]),
  ];
  return `ct(${parts.join(',')})`;
}
