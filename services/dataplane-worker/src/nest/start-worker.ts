import { readFileSync } from 'node:fs';
import { machine, release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Bus, roles } from '@outboard/bus';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine, type Driver, HopHealthBoard, type Spec } from '@outboard/dataplane/contract';
import { connectAs, connectEventually, type Log } from '@outboard/service-shell/process';
import { AdminEngine } from '../admin/admin-engine.js';
import type { WorkerConfiguration } from '../app/configuration.js';
import type { WorkerIdentity } from '../app/identity.js';
import { currentIncarnation } from '../app/incarnation.js';
import { createDataplaneWorker, type DataplaneWorker, DOCUMENT_OWNERS } from '../app/worker.js';
import { hostUnderlay } from './host-underlay.js';

/** The worker on this machine: its kernel, its disk, and the bus as soon as that can be reached. */
export async function startWorker(configuration: WorkerConfiguration, log: Log): Promise<DataplaneWorker> {
  const { resyncMilliseconds, dataDirectory } = configuration;
  const owners = DOCUMENT_OWNERS;
  const environment = { clock: systemClock, random: systemRandom };
  const identity = identityOf(configuration);
  let connected: Bus | undefined;
  const openUnderlay = () =>
    hostUnderlay({
      ...environment,
      identity,
      configuration,
      networkChanged: () => connected?.reconnect(),
      log,
    });
  // What a former run left unconfirmed is undone before anything that may fail. A switch has the uplink's addresses.
  const early = configuration.driver === 'linux' ? await openUnderlay() : undefined;
  const driver = await openDriver(configuration);
  const underlay = early ?? (await openUnderlay());
  const hops = new HopHealthBoard();
  const engine = createEngine({ driver, owners, resyncMilliseconds, hopHealth: hops, ...environment });
  const end = new AbortController();
  const bus = connectEventually(
    (waiting) => connectAs(roles.worker(configuration.dpu), { ...configuration, waiting }),
    { ...environment, log, signal: end.signal },
  );
  bus.then(
    (value) => {
      connected = value;
    },
    // The worker tells it by its `closed`.
    () => {},
  );
  const acceleration =
    configuration.acceleration &&
    (await (
      await import('../acceleration/host-acceleration.js')
    ).hostAcceleration({
      ...environment,
      ...configuration.acceleration,
      dataDirectory,
      log,
    }));
  const { hostWorkloads } = await import('../workloads/host-workloads.js');
  const { NO_SESSIONS } = await import('@outboard/workloads');
  const workloads = hostWorkloads({
    ...environment,
    ...configuration.workloads,
    identity,
    dataDirectory,
    hops,
    sessions: acceleration?.engine ?? NO_SESSIONS,
    log,
  });
  const worker = await createDataplaneWorker({
    ...environment,
    identity,
    owners,
    dataDirectory,
    driver,
    engine,
    admin: new AdminEngine({ underlayConfiguration: underlay.part, ...workloads.parts }),
    workloads,
    acceleration,
    rebootMachine: rebootMachineOf(configuration),
    bus,
    log,
  });
  return {
    ready: worker.ready,
    closed: worker.closed,
    async [Symbol.asyncDispose]() {
      end.abort();
      await underlay[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
      await connected?.[Symbol.asyncDispose]();
    },
  };
}

const REBOOT_MILLISECONDS = 30_000;

/** The program has no arguments: what it needs is in it. */
const rebootMachineOf = ({ rebootCommand }: WorkerConfiguration) =>
  rebootCommand === undefined
    ? undefined
    : async (): Promise<void> => {
        const { execFile } = await import('node:child_process');
        await promisify(execFile)(rebootCommand, { timeout: REBOOT_MILLISECONDS });
      };

/** Only the one that is asked for is loaded. */
async function openDriver(configuration: WorkerConfiguration): Promise<Driver<Spec>> {
  const { driver, dpu, underlayDevice, dataDirectory, ovsDirectory } = configuration;
  switch (driver) {
    case 'linux': {
      const { LinuxDriver } = await import('@outboard/dataplane/linux');
      return LinuxDriver.open({ dpu, underlayDevice });
    }
    case 'ovs': {
      const { OvsDriver } = await import('@outboard/dataplane/ovs');
      return OvsDriver.open({
        underlayDevice,
        directory: ovsDirectory ?? join(dataDirectory, 'openvswitch'),
        managed: ovsDirectory === undefined,
      });
    }
  }
}

function identityOf({ dpu, serialNumber, host, pfMacAddress }: WorkerConfiguration): WorkerIdentity {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return {
    dpu,
    serialNumber,
    host,
    pfMacAddress,
    incarnation: currentIncarnation(),
    workerVersion: version,
    kernelRelease: release(),
    architecture: machine(),
  };
}
