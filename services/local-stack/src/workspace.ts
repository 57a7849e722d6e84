import type { Bus } from '@outboard/bus';
import { type AnsweredResource, IntentPublisher, StateCache } from '@outboard/client';
import type { ResourceAddress } from '@outboard/contracts';
import { type AppError, type Result, unwrap } from '@outboard/core';
import { addressOf, apiVersionOf, isReady, type KindName, kindOf, type Port } from '@outboard/model';
import type { Host, Pod, PortStatus, Testbed } from '@outboard/testbed';

const READY_MILLISECONDS = 20_000;

/** A manifest as callers write it. */
export interface Manifest {
  readonly kind: KindName;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Of the pod of a tenant's port. */
export const podName = (tenant: string, port: string): string => `${tenant}-${port}`;

/** What an orchestrator of one tenant does, and the host's CNI after it: intents, their answers, states, pods. */
export class Workspace implements AsyncDisposable {
  private constructor(
    private readonly testbed: Testbed,
    readonly tenant: string,
    readonly bus: Bus,
    private readonly publisher: IntentPublisher,
    readonly state: StateCache,
  ) {}

  static async open(testbed: Testbed, tenant: string, bus: Bus): Promise<Workspace> {
    const publisher = await IntentPublisher.open(bus, tenant);
    return new Workspace(testbed, tenant, bus, publisher, await StateCache.open(bus, tenant));
  }

  /** The whole manifest, as it travels. */
  manifest({ kind, metadata, spec }: Manifest): Readonly<Record<string, unknown>> {
    return {
      apiVersion: apiVersionOf(kindOf({ kind })),
      kind,
      metadata: { tenant: this.tenant, ...metadata },
      spec,
    };
  }

  /** Publishes one intent; the answer of the system, accepted or refused. */
  submit(manifest: Manifest): Promise<Result<AnsweredResource, AppError>> {
    const body = Buffer.from(JSON.stringify(this.manifest(manifest)));
    return this.publisher.submit(this.address(manifest.kind, manifest.metadata.name), body);
  }

  /** Publishes intents one after the other. Throws the first refusal. */
  async apply(...manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) unwrap(await this.submit(manifest));
  }

  /** Publishes a deletion. Throws a refusal. */
  async delete(kind: KindName, name: string): Promise<void> {
    unwrap(await this.publisher.submit(this.address(kind, name), new Uint8Array(), { operation: 'delete' }));
  }

  /** The port when its DPU has applied it (at the wanted generation). Throws AppError DEADLINE_EXCEEDED. */
  ready(name: string, generation = 1, milliseconds = READY_MILLISECONDS): Promise<Port> {
    const what = `Port ${this.tenant}/${name} is ready`;
    return this.state.until(
      what,
      () => {
        const port = this.port(name);
        return port && port.metadata.generation >= generation && isReady(port.status.conditions)
          ? port
          : undefined;
      },
      milliseconds,
    );
  }

  port(name: string): Port | undefined {
    const resource = this.state.get(this.address('Port', name));
    return resource?.kind === 'Port' ? resource : undefined;
  }

  /** The pod of a ready port: made on the DPU's host, with the port's function in it. */
  async connectPod(portName: string): Promise<Pod> {
    const port = await this.ready(portName);
    const dpu = this.testbed.dpu(port.status.dpu ?? '');
    const pod = await this.testbed.createPod({ name: podName(this.tenant, portName), host: dpu.host.name });
    await this.attachPod(pod, port);
    return pod;
  }

  /** The host of a ready port on a PF, connected by it. */
  async connectHost(portName: string): Promise<Host> {
    const port = await this.ready(portName);
    const dpu = this.testbed.dpu(port.status.dpu ?? '');
    await dpu.host.connect(dpu, givenBy(port));
    return dpu.host;
  }

  /** Puts the port's function into a pod, as the port's status says; `eth0` unless said otherwise. */
  async attachPod(pod: Pod, port: Port, device?: string): Promise<void> {
    const dpu = this.testbed.dpu(port.status.dpu ?? '');
    await pod.attach(dpu, port.spec.function?.vfNumber, givenBy(port), device);
  }

  readonly address = (kind: KindName, name: string): ResourceAddress =>
    addressOf({ kind, metadata: { tenant: this.tenant, name } });

  async [Symbol.asyncDispose](): Promise<void> {
    await this.publisher[Symbol.asyncDispose]();
    await this.state[Symbol.asyncDispose]();
    await this.bus[Symbol.asyncDispose]();
  }
}

const givenBy = ({ status }: Port): PortStatus => ({
  mtu: status.mtu ?? 0,
  macAddress: status.macAddress ?? '',
  addresses: status.addresses.map(({ gateway, ...address }) => ({ ...address, gateway: gateway ?? '' })),
});
