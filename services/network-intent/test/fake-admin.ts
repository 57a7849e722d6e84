import type { Bus, Subscription } from '@outboard/bus';
import { HEADERS, subjects } from '@outboard/contracts';
import { AppError, err, ok, unwrap } from '@outboard/core';

const UID = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
export const PF_MAC_ADDRESS = '08:c0:eb:8a:d7:8a';

export interface DpuOptions {
  readonly address?: string;
  readonly mtu?: number;
  readonly isHealthy?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** Names of those that are available. */
  readonly capabilities?: readonly string[];
}

const metadata = (name: string) => ({ tenant: '_', name, uid: UID, generation: 1, resourceVersion: '1' });

export const serialNumberOf = (dpu: string): string => `SN-${dpu}`;

function dpuOf(name: string, options: DpuOptions): object {
  const { address, mtu = 1500, isHealthy = true, labels = {}, capabilities = [] } = options;
  const number = Number(name.replace(/\D/g, ''));
  const status = isHealthy ? 'True' : 'False';
  const reason = isHealthy ? 'LeaseRenewed' : 'LeaseExpired';
  return {
    apiVersion: 'admin.outboard.dev/v1alpha1',
    kind: 'Dpu',
    metadata: { ...metadata(name), labels },
    status: {
      serialNumber: serialNumberOf(name),
      capabilities: capabilities.map((capability) => ({ name: capability, available: true })),
      underlay: { device: 'up0', address: address ?? `10.255.${number >> 8}.${number & 255}`, mtu },
      conditions: [{ type: 'Healthy', status, reason, lastTransitionTime: '2026-01-01T00:00:00Z' }],
    },
  };
}

const functionOf = (dpu: string, vfNumber: number, isPresent: boolean): object => ({
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Function',
  metadata: metadata(`${dpu}-pf0vf${vfNumber}`),
  spec: { pool: 'default' },
  status: {
    dpu,
    serialNumber: serialNumberOf(dpu),
    pfMacAddress: PF_MAC_ADDRESS,
    vfNumber,
    ...(isPresent && { representor: { netdev: `pf0vf${vfNumber}` } }),
  },
});

/** Admin as others know it: a list and a stream of states. */
export class FakeAdmin {
  readonly #dpus = new Map<string, object>();
  readonly #functions = new Map<string, object>();
  /** It tells nothing to those who ask. */
  isAway = false;
  #ids = 0;

  constructor(private readonly bus: Bus) {}

  serve(): Promise<Subscription> {
    const list = (kind: string, resources: ReadonlyMap<string, object>) => ({
      name: kind,
      subject: subjects.rpc('_', 'admin', kind, 'list'),
      handle: async () => {
        if (this.isAway) return err(new AppError('UNAVAILABLE', 'admin is away'));
        const answer = { items: [...resources.values()], nextPageToken: '' };
        return ok({ headers: {}, body: Buffer.from(JSON.stringify(answer)) });
      },
    });
    return this.bus.serve({
      name: 'admin',
      version: '1.0.0',
      description: 'lists DPUs and functions',
      maxInFlight: 10,
      endpoints: [list('dpu', this.#dpus), list('function', this.#functions)],
    });
  }

  putDpu(name: string, options: DpuOptions = {}): Promise<void> {
    return this.#put('dpu', this.#dpus, name, dpuOf(name, options));
  }

  putFunction(dpu: string, vfNumber: number, isPresent = true): Promise<void> {
    const name = `${dpu}-pf0vf${vfNumber}`;
    return this.#put('function', this.#functions, name, functionOf(dpu, vfNumber, isPresent));
  }

  /** A DPU with so many functions. */
  async putAll(dpu: string, functions: number): Promise<void> {
    await this.putDpu(dpu);
    for (let vfNumber = 0; vfNumber < functions; vfNumber++) await this.putFunction(dpu, vfNumber);
  }

  async remove(kind: 'dpu' | 'function', name: string): Promise<void> {
    (kind === 'dpu' ? this.#dpus : this.#functions).delete(name);
    await this.#publish(kind, name, {}, { [HEADERS.operation]: 'delete' });
  }

  async #put(kind: string, table: Map<string, object>, name: string, resource: object): Promise<void> {
    table.set(name, resource);
    await this.#publish(kind, name, resource, {});
  }

  async #publish(
    kind: string,
    name: string,
    resource: object,
    headers: Record<string, string>,
  ): Promise<void> {
    const subject = subjects.state({ tenant: '_', api: 'admin', kind, name });
    const message = { headers, body: Buffer.from(JSON.stringify(resource)) };
    unwrap(await this.bus.publish(subject, message, { messageId: `admin-${++this.#ids}` }));
  }
}
