import { kindToken } from '@outboard/model';
import type { Layer1Item } from '../client.js';
import { formatTable } from './table.js';
import { ABSENT, fullName } from './values.js';

/** Objects of a dataplane in lines for people; wide ones also tell what was read back, and who else wants them. */
export function formatLayer1(
  items: readonly Layer1Item[],
  { wide }: { readonly wide: boolean },
): readonly string[] {
  const header = ['TYPE', 'STATE', 'FOR', 'ATTRIBUTES', 'MESSAGE'];
  return formatTable([
    [...header, ...(wide ? ['OFFLOAD', 'OBSERVED', 'OWNER', 'OBJECT', 'KEY'] : [])],
    ...items.map(({ key, type, state, message, wanted, observed, offload, claims = [], claimTotal = 0 }) => {
      const [first] = claims;
      const others = claimTotal > 1 ? ` and ${claimTotal - 1} more` : '';
      return [
        type,
        state,
        first ? `${sourceName(first.source)}${others}` : ABSENT,
        attributesText(wanted ?? observed),
        message ?? ABSENT,
        ...(wide
          ? [
              offload?.state ?? ABSENT,
              attributesText(observed),
              first?.owner ?? ABSENT,
              first?.object ?? ABSENT,
              key,
            ]
          : []),
      ];
    }),
  ]);
}

const sourceName = ({ kind, tenant, name }: { kind: string; tenant: string; name: string }): string =>
  fullName({ tenant, kind: kindToken({ kind }), name });

/** `ifname=obb1 linkinfo.kind=bridge`: nested attributes by their path. */
function attributesText(attributes: unknown): string {
  const parts: string[] = [];
  const walk = (path: string, value: unknown): void => {
    if (typeof value !== 'object' || value === null) parts.push(`${path}=${value}`);
    else if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) {
      parts.push(`${path}=${value.join(',')}`);
    } else {
      for (const [name, inner] of Object.entries(value)) walk(path === '' ? name : `${path}.${name}`, inner);
    }
  };
  if (attributes === undefined) return ABSENT;
  walk('', attributes);
  return parts.join(' ');
}
