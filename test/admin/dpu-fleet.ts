import { ResourceClient, StateCache } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import type { LocalStack } from '@outboard/local-stack';
import { addressOf, type Dpu, type LifecycleState, type Name, SYSTEM_TENANT } from '@outboard/model';

const UNTIL_MILLISECONDS = 30_000;

/** What somebody does who looks after the DPUs of a stack: says what is wanted of them, and sees how they are. */
export class DpuFleet {
  private constructor(
    private readonly client: ResourceClient,
    private readonly states: StateCache,
  ) {}

  static async open(stack: LocalStack): Promise<DpuFleet> {
    const bus = await stack.operator();
    const client = new ResourceClient(bus, systemClock);
    return new DpuFleet(client, await StateCache.open(bus, SYSTEM_TENANT));
  }

  /** Applies a spec, of which what is not said is as by default. */
  async want(name: string, spec: object): Promise<void> {
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind: 'Dpu', metadata: { name }, spec };
    unwrap(await this.client.apply({ api: 'admin', kind: 'Dpu' }, SYSTEM_TENANT, manifest));
  }

  /** Throws when it is not there. */
  dpu(name: string): Dpu {
    const metadata = { tenant: SYSTEM_TENANT, name: name as Name };
    const found = this.states.get(addressOf({ kind: 'Dpu', metadata }));
    if (found?.kind !== 'Dpu') throw new Error(`there is no dpu ${name}`);
    return found;
  }

  /** Resolves as soon as a DPU is so. Throws AppError DEADLINE_EXCEEDED. */
  async until(
    what: string,
    isSo: (fleet: DpuFleet) => boolean,
    milliseconds = UNTIL_MILLISECONDS,
  ): Promise<void> {
    await this.states.until(what, () => isSo(this), milliseconds);
  }

  /** Resolves as soon as it is in that state. Throws AppError DEADLINE_EXCEEDED. */
  untilState(name: string, state: LifecycleState, milliseconds?: number): Promise<void> {
    const is = (): boolean => this.has(name) && this.dpu(name).status.lifecycle?.state === state;
    return this.until(`${name} is ${state}`, is, milliseconds);
  }

  has(name: string): boolean {
    return (
      this.states.get(addressOf({ kind: 'Dpu', metadata: { tenant: SYSTEM_TENANT, name: name as Name } })) !==
      undefined
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.states[Symbol.asyncDispose]();
  }
}
