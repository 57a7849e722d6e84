import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NetworkNamespace } from '@outboard/netlink';
import type { Dpu } from '@outboard/testbed';
import { LinuxDriver } from '../src/driver-linux/linux-driver.js';
import { OvsDriver } from '../src/driver-ovs/ovs-driver.js';
import { stopSwitch } from '../src/driver-ovs/processes.js';
import type { PacketWorld } from './packets-suite.js';

const namespaceOf = ({ plan }: Dpu): NetworkNamespace => NetworkNamespace.open({ name: plan.namespace });

export const linuxPackets = (name: string): PacketWorld => ({
  checksumOffload: () => true,
  open: (dpu) =>
    LinuxDriver.open({
      dpu: `${name}${dpu.plan.number}`,
      underlayDevice: dpu.plan.underlay.device,
      namespace: namespaceOf(dpu),
    }),
  async [Symbol.asyncDispose]() {
    for (const left of NetworkNamespace.list(`ob-${name}`)) NetworkNamespace.remove(left);
  },
});

/** Each DPU has a switch of its own, which lives as long as the testbed. */
export function ovsPackets(): PacketWorld {
  const directories = new Map<string, string>();
  return {
    checksumOffload: () => false,
    open(dpu) {
      const directory = directories.get(dpu.name) ?? mkdtempSync(join(tmpdir(), 'outboard-ovs-'));
      directories.set(dpu.name, directory);
      return OvsDriver.open({
        directory,
        managed: true,
        underlayDevice: dpu.plan.underlay.device,
        namespace: namespaceOf(dpu),
      });
    },
    async [Symbol.asyncDispose]() {
      for (const directory of directories.values()) {
        await stopSwitch(directory);
        rmSync(directory, { recursive: true });
      }
    },
  };
}
