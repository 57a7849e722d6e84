import type { DriverObject } from '../driver.js';
import { bridgeEntryKey, type LinuxSpec, linkKey, neighbourKey } from './linux-objects.js';

/** Where a network lives on this DPU: what its members need to know of it. */
export interface Segment {
  readonly networkUid: string;
  readonly namespace: string;
  readonly bridge: string;
  readonly tunnel: string;
  readonly mtu: number;
}

/** How a bridge knows a member, local or remote, so that it neither floods for it nor asks for it. */
export function memberEntries(
  namespace: string,
  bridge: string,
  port: string,
  mac: string,
  addresses: readonly string[],
): DriverObject<LinuxSpec>[] {
  return [
    {
      key: bridgeEntryKey(bridge, mac),
      spec: { kind: 'bridgeentry', namespace, bridge, mac, port },
      after: [linkKey(port)],
      within: linkKey(port),
    },
    ...addresses.map(
      (address): DriverObject<LinuxSpec> => ({
        key: neighbourKey(bridge, address),
        spec: { kind: 'neighbour', namespace, bridge, address, mac },
        after: [linkKey(bridge)],
        within: linkKey(bridge),
      }),
    ),
  ];
}
