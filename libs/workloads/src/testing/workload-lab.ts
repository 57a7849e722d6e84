import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@outboard/core';
import { NetlinkSocket, NetworkNamespace } from '@outboard/netlink';
import { groupOf, MARK, namespacePrefix, Ownership } from '@outboard/testbed';
import {
  type AccelerationSessions,
  NO_SESSIONS,
  OciRuntime,
  VirtualFunctions,
  type WantedWorkload,
  WorkloadHost,
  WorkloadNetwork,
  type WorkloadSummary,
} from '../index.js';

/** Where the CNF of tests lies. */
const PROGRAMS = fileURLToPath(new URL('../../test', import.meta.url));
export const CNF = join(PROGRAMS, 'cnf.mjs');

/** A DPU's namespace, and a host of workloads on it that can be stopped and started again. */
export class WorkloadLab {
  /** What a killed lab leaves is removed as what a testbed leaves. */
  readonly #ownership = Ownership.acquire(`wl-${randomUUID().slice(0, 8)}`);
  readonly directory = this.#ownership.directory;
  readonly namespace = NetworkNamespace.create(`${namespacePrefix(this.#ownership.name)}dpu`);
  readonly socket = NetlinkSocket.open({ namespace: this.namespace });
  readonly functions = new VirtualFunctions(this.socket);
  readonly network = new WorkloadNetwork(this.socket, this.namespace);
  readonly cgroupParent = groupOf(this.#ownership.name);
  /** As the machine serves them. */
  sessions: AccelerationSessions = NO_SESSIONS;
  readonly #uids = new Set<string>();
  host = this.#open();

  uid(): string {
    const uid = randomUUID();
    this.#uids.add(uid);
    return uid;
  }

  workload(more: Partial<WantedWorkload> = {}): WantedWorkload {
    return {
      uid: this.uid(),
      tenant: 'acme',
      name: 'w',
      generation: 1,
      image: '',
      command: ['/bin/sh', '-c', 'echo started; exec sleep 1000'],
      arguments: [],
      environment: {},
      workingDirectory: '',
      cpuMillicores: 500,
      memoryMebibytes: 64,
      processes: 64,
      interfaces: [],
      files: [],
      restartPolicy: 'ALWAYS',
      readinessProbe: undefined,
      livenessProbe: undefined,
      terminationGraceSeconds: 2,
      capabilities: [],
      devices: [],
      sysctls: {},
      accelerationSessions: [],
      ...more,
    };
  }

  cnf(environment: Record<string, string> = {}, more: Partial<WantedWorkload> = {}): WantedWorkload {
    return this.workload({ name: 'cnf', command: [process.execPath, CNF], environment, ...more });
  }

  /** Another process takes over, as after a crash of this one. */
  async restart(): Promise<void> {
    await this.host[Symbol.asyncDispose]();
    this.host = this.#open();
  }

  /** Resolves with the summary that fits; undefined: the workload is gone. */
  until(uid: string, fits: (summary: WorkloadSummary) => boolean): Promise<WorkloadSummary> {
    return new Promise((resolve) => {
      const look = (): void => {
        const summary = this.host.summary(uid);
        if (summary === undefined || !fits(summary)) return;
        listening[Symbol.dispose]();
        resolve(summary);
      };
      const listening = this.host.onChange((changed) => {
        if (changed === uid) look();
      });
      look();
    });
  }

  /** All that it has said when it says something that fits. */
  async saidUntil(uid: string, fits: RegExp): Promise<string> {
    const lines: string[] = [];
    let cursor = '0:0';
    while (!lines.some((line) => fits.test(line))) {
      const page = await this.host.log(uid, { cursor, tail: 0, waitMilliseconds: 5_000 });
      lines.push(...page.lines.map(({ text }) => text));
      cursor = page.cursor;
    }
    return lines.join('\n');
  }

  /** What a program says in the network namespace of a workload. */
  async inWorkload(uid: string, command: readonly string[]): Promise<string> {
    const namespace = NetworkNamespace.open({ name: `workload-${uid}` });
    try {
      const [program = '', ...args] = command;
      return namespace.run(() => execFileSync(program, args, { encoding: 'utf8' }));
    } finally {
      namespace.close();
    }
  }

  async gone(uid: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.host.summary(uid) === undefined) resolve();
      };
      this.host.onChange(look);
      look();
    });
  }

  async close(): Promise<void> {
    await this.host[Symbol.asyncDispose]();
    this.host = this.#open();
    // Nothing is wanted of it: whatever is there is a leftover.
    await this.host.prune();
    await this.host[Symbol.asyncDispose]();
    this.socket.close();
    this.namespace.close();
    this.#ownership.release();
  }

  #open(): WorkloadHost {
    return new WorkloadHost({
      directory: this.directory,
      cgroupParent: this.cgroupParent,
      programDirectories: [PROGRAMS],
      environment: { SITE: 'laboratory', [MARK]: this.#ownership.name },
      runtime: new OciRuntime({ directory: this.directory, clock: systemClock }),
      network: this.network,
      sessions: this.sessions,
      clock: systemClock,
      random: systemRandom,
    });
  }
}
