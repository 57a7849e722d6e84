import type { DriverObject } from '../../driver.js';
import { flowObject } from './members.js';
import { type OvsSpec, shortIdentity, TABLE } from './ovs-objects.js';
import { IS, OPENING } from './pipeline.js';

/** The upper half of them is that of ways out. */
const ZONES = 0x7fff;

/**
 * How the connections of a network are tracked: those of a router together, for they have its addresses. Zones have 16
 * bits only, so connections bear a mark of their router, and those of another one are no connections of this one.
 */
export function connectionObjects(metadata: string, router: string): readonly DriverObject<OvsSpec>[] {
  const zone = 1 + (shortIdentity('zone', router) % ZONES);
  const ct_mark = shortIdentity('mark', router);
  return [
    ...[IS.ipv4, IS.ipv6].flatMap((family) => [
      flowObject(
        TABLE.TRACKING,
        10,
        { metadata, ...family },
        [{ ct: { zone, table: TABLE.CONNECTIONS } }],
        [],
      ),
      flowObject(
        TABLE.COMMIT,
        10,
        { metadata, ...OPENING, ...family },
        [{ ct: { zone, commit: true, set: { ct_mark } } }],
        [],
      ),
    ]),
    flowObject(TABLE.CONNECTIONS, 20, { metadata, ct_mark }, [{ goto: TABLE.SENT }], []),
  ];
}
