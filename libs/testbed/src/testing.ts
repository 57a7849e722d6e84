// What the specs of this library share.
import { applyAll, link, setUp, upFlags } from '@outboard/netlink';
import type { Dpu } from './places.js';
import type { TestbedSpecification } from './plan.js';
import type { Pod } from './pod.js';
import { Testbed } from './testbed.js';

let number = 0;

/** A name that no other test process uses at the same time. */
export const uniqueName = (): string => `t${process.pid.toString(36)}-${++number}`;

/** `dpu-1`, `dpu-2`, ... */
export const specification = (
  dpus: number,
  functions: number,
  name = uniqueName(),
): TestbedSpecification & { readonly name: string } => ({
  name,
  dpus: Array.from({ length: dpus }, (_, index) => ({
    name: `dpu-${index + 1}`,
    serialNumber: `MT2113X0000${index + 1}`,
    pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
    functions,
  })),
});

const BRIDGE = 50;

/** Connects all representors of a DPU by a plain bridge: the simplest thing that makes its pods reach one another. */
export async function bridgeAll(dpu: Dpu): Promise<void> {
  await applyAll(dpu.socket, 'plain bridge', [
    link.create({
      ifiIndex: BRIDGE,
      ifname: 'br0',
      ...upFlags(),
      linkinfo: { kind: 'bridge', data: { stpState: 0, mcastSnooping: false } },
    }),
    ...dpu.plan.functions.map(({ index }) => link.change({ ifiIndex: index, master: BRIDGE, ...upFlags() })),
  ]);
}

/** Opens or closes the representor of a virtual function. */
export const setRepresentor = (dpu: Dpu, vfNumber: number, up: boolean): Promise<void> =>
  applyAll(dpu.socket, 'representor', [setUp(dpu.function(vfNumber).index, up)]);

/** A testbed of one DPU whose VFs 0 to `count` - 1 are in the pods p0, p1, ... at 10.0.1.10 and up, behind a bridge. */
export async function bridgedPods(count: number): Promise<{ testbed: Testbed; dpu: Dpu; pods: Pod[] }> {
  const testbed = await Testbed.create(specification(1, count));
  try {
    const dpu = testbed.dpu('dpu-1');
    await bridgeAll(dpu);
    const pods: Pod[] = [];
    for (let vfNumber = 0; vfNumber < count; vfNumber++) {
      const pod = await testbed.createPod({ name: `p${vfNumber}`, host: dpu.plan.host });
      await pod.attach(dpu, vfNumber, {
        mtu: 1500,
        addresses: [
          { ip: `10.0.1.${10 + vfNumber}`, prefixLength: 24 },
          { ip: `fd00:1::${10 + vfNumber}`, prefixLength: 64 },
        ],
      });
      pods.push(pod);
    }
    return { testbed, dpu, pods };
  } catch (failure) {
    await testbed.dispose();
    throw failure;
  }
}
