import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NetworkNamespace } from '@outboard/netlink';
import type { Dpu } from '@outboard/testbed';
import { LinuxDriver } from '../src/driver-linux/linux-driver.js';
import { OvsDriver } from '../src/driver-ovs/ovs-driver.js';
import { bridgeSocket, stopSwitch } from '../src/driver-ovs/processes.js';
import { INTEGRATION_BRIDGE } from '../src/driver-ovs/realise/ovs-objects.js';
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
  wipe(dpu) {
    for (const router of NetworkNamespace.list(`ob-${name}${dpu.plan.number}-`)) {
      const namespace = NetworkNamespace.open({ name: router });
      namespace.run(() => execFileSync('nft', ['flush', 'ruleset']));
      namespace.close();
    }
  },
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
    wipe(dpu) {
      const socket = bridgeSocket(directories.get(dpu.name) ?? '', INTEGRATION_BRIDGE);
      execFileSync('ovs-ofctl', ['-O', 'OpenFlow15', 'del-flows', `unix:${socket}`]);
    },
    async [Symbol.asyncDispose]() {
      for (const directory of directories.values()) {
        await stopSwitch(directory);
        rmSync(directory, { recursive: true });
      }
    },
  };
}

/** The first DPU has the kernel, the other a switch. */
export function mixedPackets(name: string): PacketWorld {
  const [linux, ovs] = [linuxPackets(name), ovsPackets()];
  const of = (dpu: string): PacketWorld => (dpu === 'dpu-1' ? linux : ovs);
  return {
    open: (dpu) => of(dpu.name).open(dpu),
    checksumOffload: (dpu) => of(dpu).checksumOffload(dpu),
    wipe: (dpu) => of(dpu.name).wipe(dpu),
    async [Symbol.asyncDispose]() {
      await linux[Symbol.asyncDispose]();
      await ovs[Symbol.asyncDispose]();
    },
  };
}
