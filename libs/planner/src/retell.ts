import { equal, invariant } from '@outboard/core';
import type { Context, Decision } from './api.js';
import { Draft } from './draft.js';
import type { PortEntry } from './entries.js';
import { replanFreed } from './project.js';
import { propagationOf } from './propagation.js';
import { keyOf } from './records.js';
import { endReleases } from './release.js';
import { replanPort, replanVlans } from './settle.js';
import { settleTouched } from './settle-touched.js';
import { addressesOf } from './untold.js';
import type { World } from './world.js';

/** Whether ports are to be told anew which one decision could not hold: `retell` goes on with them. */
export const hasOutdated = ({ outdated, unwritten, retellings, releases }: World): boolean =>
  outdated.size + unwritten.size + retellings.size + releases.over.size > 0;

/**
 * Tells some of the ports anew whose rows do not say any more what is so, as there were more of them than a commit can
 * hold: when a policy selects many, when a large network has another MTU, when a DPU that many ports waited for has
 * confirmed them.
 */
export function retell(world: World, context: Context): Decision {
  const draft = new Draft(world, context);
  let left = world.toldAtOnce;
  // Those first that may claim too much.
  for (const uid of world.unwritten.keys()) {
    if (left-- === 0) break;
    const port = world.portsByUid.get(uid);
    invariant(port, 'what is to be written is there');
    draft.putPort(port.record, port.placement);
  }
  for (const port of world.outdated) {
    if (left-- <= 0) break;
    world.outdated.delete(port);
    retellPort(draft, port);
  }
  replanFreed(draft, endReleases(draft));
  settleTouched(draft);
  if (world.unwritten.size === 0)
    for (const retelling of [...world.retellings.values()]) draft.remove(keyOf(retelling));
  return draft.decision();
}

function retellPort(draft: Draft, port: PortEntry): void {
  const { record, placement, network } = port;
  const { mtu } = network.record.resource.status;
  const { status, metadata } = record.resource;
  if (draft.world.portsByUid.get(metadata.uid) !== port) return;
  // There were too many that could be planned.
  if (!placement) {
    replanPort(draft, port);
    return;
  }
  const isResized = mtu !== status.mtu;
  const addresses = addressesOf(port);
  if (!isResized && addresses === status.addresses && equal(propagationOf(port), status.propagated)) return;
  const told = { ...status, mtu, addresses };
  draft.putPort({ ...record, resource: { ...record.resource, status: told } }, placement);
  if (!isResized) return;
  // A VLAN fits into its parent, or does not any more.
  if (record.resource.spec.trunk) replanPort(draft, port);
  replanVlans(draft, port);
}
