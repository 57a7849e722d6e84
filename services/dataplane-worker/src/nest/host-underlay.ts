import { join } from 'node:path';
import { roles } from '@outboard/bus';
import type { Clock, Random } from '@outboard/core';
import { connectAs, type Log } from '@outboard/service-shell/process';
import type { WorkerConfiguration } from '../app/configuration.js';
import type { WorkerIdentity } from '../app/identity.js';
import { ControlPlaneOverBus } from '../underlay/control-plane-over-bus.js';
import { KernelNetwork } from '../underlay/kernel-network.js';
import { NetworkJournalFile } from '../underlay/network-state.js';
import { UnderlayKeeper } from '../underlay/underlay-keeper.js';
import { UnderlayPart } from '../underlay/underlay-part.js';

/** A connection attempt for a confirmation: it is made again until the change has to be undone. */
const CONNECT_MILLISECONDS = 2_000;

export interface UnderlayPorts {
  readonly identity: WorkerIdentity;
  readonly configuration: WorkerConfiguration;
  readonly networkChanged: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The network of this machine, in the hands of the document of owner `admin`. */
export async function hostUnderlay({
  identity: { dpu, incarnation },
  configuration,
  networkChanged,
  clock,
  random,
  log,
}: UnderlayPorts): Promise<AsyncDisposable & { readonly part: UnderlayPart }> {
  const { driver, underlayDevice, dataDirectory } = configuration;
  const standIns = new Map<string, string>();
  if (driver === 'ovs') {
    const { UNDERLAY_BRIDGE } = await import('@outboard/dataplane/ovs');
    standIns.set(underlayDevice, UNDERLAY_BRIDGE);
  }
  const kernel = new KernelNetwork({ standIns });
  const connect = () =>
    connectAs(roles.worker(dpu), { ...configuration, connectMilliseconds: CONNECT_MILLISECONDS });
  const keeper = await UnderlayKeeper.open({
    incarnation,
    kernel,
    journal: new NetworkJournalFile(join(dataDirectory, 'network'), dpu, log),
    controlPlane: new ControlPlaneOverBus({ dpu, incarnation, connect, clock, random }),
    networkChanged,
    clock,
    log,
  });
  return {
    part: new UnderlayPart(keeper),
    async [Symbol.asyncDispose]() {
      await keeper[Symbol.asyncDispose]();
      kernel[Symbol.dispose]();
    },
  };
}
