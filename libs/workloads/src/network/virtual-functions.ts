import { FUNCTION_GROUP } from '@outboard/contracts';
import { applyAll, type Link, link, type Message, type NetlinkSocket, ONE_QUEUE } from '@outboard/netlink';
import { functionAlias, functionDevice, representorName } from './function-names.js';

/** The functions that a pool shall have here. */
export interface WantedFunctions {
  readonly pfNumber: number;
  readonly sfNumbers: readonly number[];
}

/**
 * Functions for workloads on this DPU: veth pairs. One end is the representor; the other waits beside it, as a
 * sub-function's device does on hardware, until a workload has it.
 */
export class VirtualFunctions {
  constructor(
    /** In the DPU's namespace. */
    private readonly socket: NetlinkSocket,
  ) {}

  /**
   * Makes what is missing of the pools' functions and removes all others that were made here. What stands under the
   * name of one and is not ours is left alone: the names of those are returned.
   */
  async settle(pools: Iterable<WantedFunctions>): Promise<readonly string[]> {
    const wanted = new Set<string>();
    for (const { pfNumber, sfNumbers } of pools)
      for (const sfNumber of sfNumbers) wanted.add(representorName(pfNumber, sfNumber));
    const there = new Map<string, Link>();
    for (const each of await this.socket.dump(link.dump())) there.set(each.ifname ?? '', each);
    const isOurs = (name: string): boolean => there.get(name)?.group === FUNCTION_GROUP;
    const removals: Message[] = [];
    for (const [name, { ifiIndex }] of there)
      if (isOurs(name) && /^pf\d+sf\d+$/.test(name) && !wanted.has(name))
        removals.push(link.remove({ ifiIndex }));
    if (removals.length > 0) await applyAll(this.socket, 'remove functions', removals, { offThread: true });
    const foreign: string[] = [];
    const missing: string[] = [];
    const unmarked: string[] = [];
    for (const name of wanted) {
      const device = functionDevice(name);
      if (isOurs(name)) {
        // A creation that was cut short leaves the device without its alias.
        if (
          there.get(device)?.group === FUNCTION_GROUP &&
          there.get(device)?.ifalias !== functionAlias(device)
        )
          unmarked.push(device);
      } else if (there.has(name) || there.has(device)) foreign.push(name);
      else missing.push(name);
    }
    await applyAll(this.socket, 'make functions', missing.map(creation));
    await applyAll(
      this.socket,
      'mark functions',
      [...unmarked, ...missing.map(functionDevice)].map((device) =>
        link.change({ ifname: device, ifalias: functionAlias(device) }),
      ),
    );
    return foreign;
  }
}

const creation = (representor: string): Message =>
  link.create({
    ifname: representor,
    group: FUNCTION_GROUP,
    ...ONE_QUEUE,
    linkinfo: {
      kind: 'veth',
      data: { peer: { ifname: functionDevice(representor), group: FUNCTION_GROUP, ...ONE_QUEUE } },
    },
  });
