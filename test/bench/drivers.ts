import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Driver, LinuxDriver, OvsDriver, type Spec, stopSwitch } from '@outboard/dataplane';
import { NetworkNamespace } from '@outboard/netlink';
import type { Dpu } from '@outboard/testbed';

/** How the DPUs of a testbed get a driver. */
export interface BenchDrivers {
  readonly checksumOffload: boolean;
  open(dpu: Dpu): Promise<Driver<Spec>>;
  /** Where the switch of a DPU is; empty with the kernel. */
  directoryOf(dpu: Dpu): string;
  close(): Promise<void>;
}

const namespaceOf = ({ plan }: Dpu): NetworkNamespace => NetworkNamespace.open({ name: plan.namespace });

/** `name`: part of the names of the routers' namespaces. */
export const linuxDrivers = (name: string): BenchDrivers => ({
  checksumOffload: true,
  open: (dpu) =>
    LinuxDriver.open({
      dpu: `${name}${dpu.plan.number}`,
      underlayDevice: dpu.plan.underlay.device,
      namespace: namespaceOf(dpu),
    }),
  directoryOf: () => '',
  async close() {
    for (const left of NetworkNamespace.list(`ob-${name}`)) NetworkNamespace.remove(left);
  },
});

/** A switch for each DPU. */
export function switchDrivers(): BenchDrivers {
  const directories = new Map<string, string>();
  const directoryOf = ({ name }: Dpu): string => {
    const known = directories.get(name) ?? mkdtempSync(join(tmpdir(), 'outboard-bench-'));
    directories.set(name, known);
    return known;
  };
  return {
    checksumOffload: false,
    open: (dpu) =>
      OvsDriver.open({
        directory: directoryOf(dpu),
        managed: true,
        underlayDevice: dpu.plan.underlay.device,
        namespace: namespaceOf(dpu),
      }),
    directoryOf,
    async close() {
      for (const directory of directories.values()) {
        await stopSwitch(directory);
        rmSync(directory, { recursive: true });
      }
    },
  };
}
