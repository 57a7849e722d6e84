import type { Bus } from '@outboard/bus';
import { IntentPublisher } from '@outboard/client';
import { unwrap } from '@outboard/core';
import { addressOf, type KindName } from '@outboard/model';
import { FollowedState } from './followed-state.js';

export interface FleetClientOptions {
  /** Whose the resources are. */
  readonly tenant: string;
  /** DPUs `<first>` to `<first + dpus - 1>`. */
  readonly first: number;
  readonly dpus: number;
  /** Virtual functions of each. */
  readonly functions: number;
}

/** Somebody who wants something of a fleet: publishes intents, and follows states. */
export class FleetClient implements AsyncDisposable {
  private constructor(
    readonly options: FleetClientOptions,
    readonly state: FollowedState,
    private readonly publisher: IntentPublisher,
  ) {}

  static async open(bus: Bus, options: FleetClientOptions): Promise<FleetClient> {
    const state = await FollowedState.open(bus);
    return new FleetClient(options, state, await IntentPublisher.open(bus, options.tenant));
  }

  /** The numbers of the DPUs. */
  get dpus(): readonly number[] {
    const { first, dpus } = this.options;
    return Array.from({ length: dpus }, (_, index) => first + index);
  }

  /** A resource of the tenant, as states name it. */
  named(name: string): { readonly tenant: string; readonly name: string } {
    return { tenant: this.options.tenant, name };
  }

  /** Resolves when the intent is accepted, with the generation that it has made; throws when it is refused. */
  async apply(
    kind: KindName,
    name: string,
    spec: object,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const metadata = { ...this.named(name), labels };
    const manifest = { apiVersion: 'network.outboard.dev/v1alpha1', kind, metadata, spec };
    const accepted = await this.#submit(kind, name, JSON.stringify(manifest), 'apply');
    return accepted.metadata.generation ?? 0;
  }

  async delete(kind: KindName, name: string): Promise<void> {
    await this.#submit(kind, name, '', 'delete');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.publisher[Symbol.asyncDispose]();
    await this.state[Symbol.asyncDispose]();
  }

  async #submit(kind: KindName, name: string, body: string, operation: 'apply' | 'delete') {
    const address = addressOf({ kind, metadata: this.named(name) });
    return unwrap(await this.publisher.submit(address, Buffer.from(body), { operation }));
  }
}
