import type { Endpoint } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import type { Capability } from '../driver.js';
import { MAX_VLAN_ID } from './realise-encapsulation.js';

/** The capability that an endpoint needs which is a VLAN of another. */
export const TRUNK = 'trunk';

/** Of the Linux realisation, whatever the kernel can do. */
export const LINUX_TRUNK: Capability = {
  name: TRUNK,
  available: false,
  reason: 'the driver linux takes whole representors: VLANs of them are for the driver ovs',
};

/** Why a port cannot be a VLAN of another; undefined: it can, or it is none. */
export function trunkObstacle(
  { vlanId }: Pick<Endpoint, 'vlanId'>,
  lacking: string | undefined,
): string | undefined {
  return vlanId === 0 || lacking === undefined
    ? undefined
    : `a port cannot be a VLAN of another here: ${lacking}`;
}

export function checkVlanId(vlanId: number, problems: Problems): void {
  if (vlanId > MAX_VLAN_ID) problems.add('vlanId', `must be 0 to ${MAX_VLAN_ID}`);
}
