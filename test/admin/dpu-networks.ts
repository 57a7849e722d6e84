import { ResourceClient } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import type { LocalStack } from '@outboard/local-stack';
import { address, type Link, linkByName, RT_SCOPE } from '@outboard/netlink';
import { waitUntil } from '@outboard/testbed';

const KIND = { api: 'admin', kind: 'DpuNetworkConfiguration' } as const;

interface Answered {
  readonly metadata?: { readonly generation?: number };
  readonly status?: {
    readonly confirmedGeneration?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

/** The networks of the DPUs of a stack, as their admin asks for them and as their kernels have them. */
export class DpuNetworks {
  private constructor(
    private readonly stack: LocalStack,
    private readonly client: ResourceClient,
  ) {}

  static async open(stack: LocalStack): Promise<DpuNetworks> {
    return new DpuNetworks(stack, new ResourceClient(await stack.operator(), systemClock));
  }

  /** Resolves with the generation that was accepted. */
  async apply(name: string, spec: object): Promise<number> {
    const manifest = {
      apiVersion: 'admin.outboard.dev/v1alpha1',
      kind: KIND.kind,
      metadata: { name },
      spec: { confirmTimeoutSeconds: 5, ...spec },
    };
    const applied = unwrap(await this.client.apply(KIND, '_', manifest)) as Answered;
    return applied.metadata?.generation ?? 0;
  }

  async delete(name: string): Promise<void> {
    unwrap(await this.client.delete(KIND, '_', name));
  }

  /** Waits until `Ready` has one of these reasons for that generation; resolves with its reason and message. */
  async settled(
    name: string,
    generation: number,
    reasons: readonly string[] = ['Confirmed'],
  ): Promise<readonly [reason: string, message: string]> {
    let found: readonly [string, string] = ['', ''];
    await waitUntil(
      `${name} generation ${generation}: ${reasons.join(' or ')}`,
      async () => {
        const answered = unwrap(await this.client.get(KIND, '_', name)) as Answered;
        const ready = answered.status?.conditions?.find(({ type }) => type === 'Ready');
        found = [ready?.reason ?? '', ready?.message ?? ''];
        const isOf = ready?.message.includes(`generation ${generation}`) === true;
        return isOf && reasons.includes(found[0]) ? undefined : found.join(': ');
      },
      30_000,
    );
    return found;
  }

  /** Waits until admin knows a DPU with this underlay address, whose worker holds its lease. */
  underlay(name: string, address: string): Promise<void> {
    return waitUntil(`underlay of ${name}`, async () => {
      const dpu = unwrap(await this.client.get({ api: 'admin', kind: 'Dpu' }, '_', name)) as {
        readonly status?: Answered['status'] & { readonly underlay?: { readonly address?: string } };
      };
      const healthy = dpu.status?.conditions?.find(({ type }) => type === 'Healthy');
      const told = dpu.status?.underlay?.address;
      return told === address && healthy?.reason === 'LeaseRenewed'
        ? undefined
        : `${told}, ${healthy?.reason}`;
    });
  }

  /** A device of a DPU, as its kernel has it. */
  async device(dpu: string, name: string): Promise<Link> {
    const found = await linkByName(this.stack.testbed.dpu(dpu).socket, name);
    if (found === undefined) throw new Error(`${dpu} has no ${name}`);
    return found;
  }

  /** Waits until a device of a DPU is a port of no bridge. */
  unmastered(dpu: string, name: string): Promise<void> {
    return waitUntil(`${name} of ${dpu} is a port of nothing`, async () =>
      ((await this.device(dpu, name)).master ?? 0) === 0 ? undefined : 'it is one',
    );
  }

  /** The IPv4 addresses of a device of a DPU. */
  async addresses(dpu: string, name: string): Promise<readonly string[]> {
    const { ifiIndex } = await this.device(dpu, name);
    const all = await this.stack.testbed.dpu(dpu).socket.dump(address.dump());
    return all
      .filter(({ ifaIndex, ifaScope }) => ifaIndex === ifiIndex && ifaScope === RT_SCOPE.UNIVERSE)
      .flatMap(({ local, ifaPrefixlen }) => (local === undefined ? [] : [`${local}/${ifaPrefixlen}`]));
  }
}
