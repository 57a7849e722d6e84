import type { Bus } from '@outboard/bus';
import type { ResourceAddress } from '@outboard/contracts';
import { type AppError, type Result, unwrap } from '@outboard/core';
import { addressOf, apiVersionOf, isReady, type KindName, kindOf, type Port } from '@outboard/model';
import { type AnsweredResource, IntentPublisher } from './intent-publisher.js';
import { StateCache } from './state-cache.js';

const READY_MILLISECONDS = 20_000;

/** A manifest as callers write it. */
export interface Manifest {
  readonly kind: KindName;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** By what an orchestrator of one tenant is connected. */
export interface TenantConnection {
  readonly tenant: string;
  readonly bus: Bus;
  readonly publisher: IntentPublisher;
  readonly state: StateCache;
}

/** What an orchestrator of one tenant does: intents, their answers, states. The connection goes with it. */
export class TenantClient implements AsyncDisposable {
  readonly tenant: string;
  readonly bus: Bus;
  readonly state: StateCache;
  readonly #publisher: IntentPublisher;

  constructor({ tenant, bus, publisher, state }: TenantConnection) {
    this.tenant = tenant;
    this.bus = bus;
    this.state = state;
    this.#publisher = publisher;
  }

  static async connect(tenant: string, bus: Bus): Promise<TenantConnection> {
    const publisher = await IntentPublisher.open(bus, tenant);
    return { tenant, bus, publisher, state: await StateCache.open(bus, tenant) };
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
    return this.#publisher.submit(this.address(manifest.kind, manifest.metadata.name), body);
  }

  /** Publishes intents one after the other. Throws the first refusal. */
  async apply(...manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) unwrap(await this.submit(manifest));
  }

  /** Publishes a deletion. Throws a refusal. */
  async delete(kind: KindName, name: string): Promise<void> {
    unwrap(await this.#publisher.submit(this.address(kind, name), new Uint8Array(), { operation: 'delete' }));
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

  readonly address = (kind: KindName, name: string): ResourceAddress =>
    addressOf({ kind, metadata: { tenant: this.tenant, name } });

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher[Symbol.asyncDispose]();
    await this.state[Symbol.asyncDispose]();
    await this.bus[Symbol.asyncDispose]();
  }
}
