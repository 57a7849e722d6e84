import type { Capability } from '../driver.js';
import { ipv6Egress } from '../kernel/forwarding.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import { STEERING } from '../realise/service-chain.js';
import { TRUNK } from '../realise/trunk.js';
import { askMeterFeatures, readMaximumMeters } from './openflow/meters.js';
import type { Switch } from './switch.js';

/** What each capability needs of the build of the switch: a type of interfaces or datapaths. */
const NEEDED = {
  vxlan: 'vxlan',
  geneve: 'geneve',
  vlan: 'patch',
  flat: 'system',
  userspace: 'netdev',
} as const;

/** What the switch tells of itself. */
export async function askCapabilities({ database, client }: Switch): Promise<readonly Capability[]> {
  const { types, version } = database;
  const capability = (name: string, available: boolean, reason: string): Capability => ({
    name,
    available,
    reason: available ? '' : reason,
  });
  const meters = (await client.request(askMeterFeatures())).reduce(
    (most, part) => Math.max(most, readMaximumMeters(part)),
    0,
  );
  return [
    ...Object.entries(NEEDED).map(([name, type]) =>
      capability(name, types.has(type), `Open vSwitch ${version} was built without ${type}`),
    ),
    capability('bandwidth', meters > 0, 'the datapath has no meters'),
    capability('policies', true, ''),
    capability(STEERING, true, ''),
    capability(TRUNK, types.has('patch'), `Open vSwitch ${version} was built without patch`),
    ipv6Egress(undefined),
    capability(HARDWARE_OFFLOAD, false, 'the userspace datapath forwards in software'),
  ];
}
