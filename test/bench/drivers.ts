import { join } from 'node:path';
import { type Driver, LinuxDriver, OvsDriver, type Spec } from '@outboard/dataplane';
import { NetworkNamespace } from '@outboard/netlink';
import type { Dpu, Testbed } from '@outboard/testbed';
import { removeRoutersAtEnd } from './routers.js';

/** How the DPUs of a testbed get a driver. */
export interface BenchDrivers {
  readonly checksumOffload: boolean;
  open(dpu: Dpu, testbed: Testbed): Promise<Driver<Spec>>;
}

const namespaceOf = ({ plan }: Dpu): NetworkNamespace => NetworkNamespace.open({ name: plan.namespace });

/** `name`: part of the names of the routers' namespaces. */
export function linuxDrivers(name: string): BenchDrivers {
  removeRoutersAtEnd(name);
  return {
    checksumOffload: true,
    open: (dpu) =>
      LinuxDriver.open({
        dpu: `${name}${dpu.plan.number}`,
        underlayDevice: dpu.plan.underlay.device,
        namespace: namespaceOf(dpu),
      }),
  };
}

/** Where the switch of a DPU has its files and sockets. */
export const switchDirectory = (dpu: Dpu, testbed: Testbed): string =>
  join(testbed.directory, 'switches', dpu.name);

/** A switch for each DPU, which ends with the testbed. */
export const switchDrivers: BenchDrivers = {
  checksumOffload: false,
  open: (dpu, testbed) =>
    OvsDriver.open({
      directory: switchDirectory(dpu, testbed),
      managed: true,
      underlayDevice: dpu.plan.underlay.device,
      namespace: namespaceOf(dpu),
    }),
};
