import type { InterfaceDescription } from '../interfaces/description.js';
import type { InterfaceClient } from '../interfaces/interface-client.js';
import type { WorkloadLog } from '../log-file.js';
import type { PortHealth, WorkloadSummary } from '../summary.js';
import type { WantedConfiguration, WantedProbe, WantedWorkload } from '../workload.js';
import { type KeeperPorts, WorkloadKeeper } from './keeper.js';
import { ProbeLoop } from './probe-loop.js';
import { PublishedInterfaces } from './published-interfaces.js';

export interface KeptWorkloadPorts extends Omit<KeeperPorts, 'onRunning'> {
  readonly onPortHealth: (health: PortHealth) => void;
}

const DEFAULT_READINESS: WantedProbe = {
  action: { kind: 'http', path: '/health' },
  periodSeconds: 5,
  timeoutSeconds: 1,
  failureThreshold: 3,
  initialDelaySeconds: 0,
};

/** A workload with what there is only while its program runs: its probes, and the interfaces that it publishes. */
export class KeptWorkload implements AsyncDisposable {
  readonly #keeper: WorkloadKeeper;
  #interfaces: PublishedInterfaces | undefined;
  #probes: ProbeLoop[] = [];
  #configurations: readonly WantedConfiguration[] = [];
  /** Why it is not ready; undefined: its probe has not said anything yet. */
  #notReady: string | undefined;
  readonly #health = new Map<string, boolean>();

  constructor(
    readonly uid: string,
    private readonly ports: KeptWorkloadPorts,
  ) {
    this.#keeper = new WorkloadKeeper(uid, {
      ...ports,
      onChange: () => this.#changed(),
      onRunning: (running) => this.#running(running),
    });
  }

  get log(): WorkloadLog {
    return this.#keeper.log;
  }

  get name(): string {
    return this.#keeper.wanted?.name ?? this.uid;
  }

  /** Nobody wants it, and nothing is left of it. */
  get isGone(): boolean {
    return this.#keeper.isGone;
  }

  want(wanted: WantedWorkload | undefined): void {
    this.#keeper.want(wanted);
    this.#tellHealth();
  }

  configure(configurations: readonly WantedConfiguration[]): void {
    this.#configurations = configurations;
    this.#interfaces?.want(configurations);
  }

  interface(name: string): { client: InterfaceClient; description: InterfaceDescription } | undefined {
    const description = this.#interfaces?.find(name);
    if (this.#interfaces === undefined || description === undefined) return undefined;
    return { client: this.#interfaces.client, description };
  }

  summary(): WorkloadSummary {
    const view = this.#keeper.view();
    const message = view.message || (view.state === 'RUNNING' ? (this.#notReady ?? 'not probed yet') : '');
    return {
      ...view,
      ready: this.#isReady,
      message,
      interfaces: this.#interfaces?.served ?? [],
      interfaceProblem: this.#interfaces?.problem ?? '',
      configurations:
        this.#interfaces?.configurations ??
        this.#configurations.map(({ uid, generation }) => ({
          uid,
          generation,
          appliedGeneration: 0,
          interfaceVersion: '',
          state: 'PENDING' as const,
          message: `${this.name} does not run`,
        })),
    };
  }

  idle(): Promise<void> {
    return this.#keeper.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopLooking();
    await this.#keeper[Symbol.asyncDispose]();
  }

  get #isReady(): boolean {
    return this.#keeper.isRunning && this.#notReady === '';
  }

  #changed(): void {
    this.#tellHealth();
    this.ports.onChange();
  }

  #running(running: boolean): void {
    this.#stopLooking();
    if (running) this.#startLooking();
    this.#changed();
  }

  #startLooking(): void {
    const wanted = this.#keeper.wanted;
    this.#interfaces = new PublishedInterfaces({
      ...this.ports,
      directory: this.#keeper.sharedDirectory,
      name: this.name,
      onChange: () => this.#changed(),
    });
    this.#interfaces.want(this.#configurations);
    const readiness = wanted?.readinessProbe;
    this.#probe(readiness ?? DEFAULT_READINESS, readiness === undefined, (problem) => {
      this.#notReady = problem;
      this.#changed();
    });
    if (wanted?.livenessProbe !== undefined)
      this.#probe(wanted.livenessProbe, false, (problem) => {
        if (problem !== '') this.#keeper.restartAs(`its liveness probe fails: ${problem}`);
      });
  }

  #stopLooking(): void {
    for (const probe of this.#probes.splice(0)) probe[Symbol.dispose]();
    this.#interfaces?.[Symbol.dispose]();
    this.#interfaces = undefined;
    this.#notReady = undefined;
  }

  /** @param ifServed What serves no socket is not asked. */
  #probe(probe: WantedProbe, ifServed: boolean, onResult: (problem: string) => void): void {
    const { action, periodSeconds, timeoutSeconds, failureThreshold, initialDelaySeconds } = probe;
    const timeoutMilliseconds = timeoutSeconds * 1000;
    const check = async (): Promise<void> => {
      if (action.kind === 'exec')
        return this.ports.runtime.execute(this.uid, action.command, timeoutMilliseconds);
      const interfaces = this.#interfaces;
      if (ifServed && interfaces?.hasSocket !== true) return;
      await interfaces?.client.check(action.path, timeoutMilliseconds);
    };
    const { clock } = this.ports;
    const loop = new ProbeLoop({
      periodMilliseconds: periodSeconds * 1000,
      initialDelayMilliseconds: initialDelaySeconds * 1000,
      failureThreshold,
      check,
      onResult,
      clock,
    });
    this.#probes.push(loop);
  }

  /** Every port of its interfaces, as often as one changes; one that it has no more is as if it had never had it. */
  #tellHealth(): void {
    const up = this.#isReady;
    const ports = new Set((this.#keeper.wanted?.interfaces ?? []).map(({ portUid }) => portUid));
    for (const portUid of this.#health.keys()) {
      if (ports.has(portUid)) continue;
      this.#health.delete(portUid);
      this.ports.onPortHealth({ portUid, up: true });
    }
    for (const portUid of ports) {
      if (this.#health.get(portUid) === up) continue;
      this.#health.set(portUid, up);
      this.ports.onPortHealth({ portUid, up });
    }
  }
}
