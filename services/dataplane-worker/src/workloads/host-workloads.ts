import { join } from 'node:path';
import type { Bus, Subscription } from '@outboard/bus';
import type { Clock, Random } from '@outboard/core';
import type { HopHealthBoard } from '@outboard/dataplane/contract';
import { NetlinkSocket } from '@outboard/netlink';
import type { Log } from '@outboard/service-shell/process';
import {
  type AccelerationSessions,
  OciRuntime,
  VirtualFunctions,
  WorkloadHost,
  WorkloadNetwork,
} from '@outboard/workloads';
import type { AdminParts } from '../admin/admin-part.js';
import type { WorkerIdentity } from '../app/identity.js';
import { FunctionsPart } from './functions-part.js';
import { WorkloadOperations } from './workload-operations.js';
import { WorkloadReports } from './workload-reports.js';
import { ConfigurationsPart, WorkloadsPart } from './workloads-part.js';

/** How this machine's workloads are run. */
export interface WorkloadSettings {
  /** Cgroup below which every workload has one of its own. */
  readonly cgroupParent: string;
  /** Directories of this machine that workloads without an image see besides its programs. */
  readonly programDirectories: readonly string[];
  /** Variables that every workload has. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface HostWorkloadsPorts extends WorkloadSettings {
  readonly identity: WorkerIdentity;
  readonly dataDirectory: string;
  readonly hops: HopHealthBoard;
  readonly sessions: AccelerationSessions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Workloads as a worker has them: parts of the document of owner `admin`, and what is told and asked over the bus. */
export interface HostedWorkloads extends AsyncDisposable {
  readonly parts: Pick<AdminParts, 'virtualFunctions' | 'infraWorkload' | 'interfaceConfiguration'>;
  connected(bus: Bus): void;
  serve(bus: Bus): Promise<Subscription>;
}

export function hostWorkloads(ports: HostWorkloadsPorts): HostedWorkloads {
  const { identity, dataDirectory, hops, clock, log } = ports;
  const socket = NetlinkSocket.open();
  const directory = join(dataDirectory, 'workload-host');
  const host = new WorkloadHost({
    ...ports,
    directory,
    runtime: new OciRuntime({ directory, clock }),
    network: new WorkloadNetwork(socket, undefined),
  });
  const functions = new FunctionsPart(new VirtualFunctions(socket), clock);
  const health = host.onPortHealth(({ portUid, up }) => hops.report(portUid, up ? 'up' : 'down'));
  const reports = new WorkloadReports({ ...ports, ...identity, host });
  const operations = new WorkloadOperations({ ...identity, host });
  const onFailure = (failure: unknown): void =>
    log.error({ err: failure }, 'what a former run has left of workloads cannot be removed');
  const workloads = new WorkloadsPart(host, clock, onFailure);
  return {
    parts: {
      virtualFunctions: functions,
      infraWorkload: workloads,
      interfaceConfiguration: new ConfigurationsPart(host),
    },
    connected: (bus) => reports.connected(bus),
    serve: (bus) => operations.serve(bus),
    async [Symbol.asyncDispose]() {
      health[Symbol.dispose]();
      reports[Symbol.dispose]();
      workloads[Symbol.dispose]();
      await functions[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
      socket.close();
    },
  };
}
