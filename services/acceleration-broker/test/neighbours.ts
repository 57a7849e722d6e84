import type { Bus, Subscription } from '@outboard/bus';
import { HEADERS, subjects } from '@outboard/contracts';
import { type Clock, ok, systemRandom, unwrap, uuidv7 } from '@outboard/core';

const UID = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const metadata = (tenant: string, name: string, uid = UID) => ({
  tenant,
  name,
  uid,
  generation: 1,
  resourceVersion: '1',
});

export interface DpuOptions {
  readonly host?: string;
  readonly isConnected?: boolean;
  /** What admin is to make of it; default READY. */
  readonly desired?: 'READY' | 'MAINTENANCE' | 'RETIRED';
  /** One byte, repeated: tells the worker's disk. */
  readonly disk?: number;
  /** `ENCRYPT AES_256_GCM` and the like; default: those of `ENGINES`. */
  readonly engines?: readonly string[];
  readonly implementation?: string;
  /** Software does all of it too, after what is above. */
  readonly hasSoftware?: boolean;
  readonly megabytesPerSecond?: number;
  readonly hasAccelerator?: boolean;
}

const ENGINES = [
  'ENCRYPT AES_256_GCM',
  'DECRYPT AES_256_GCM',
  'COMPRESS ZSTD',
  'DECOMPRESS ZSTD',
  'GENERATE CRC32C',
  'VERIFY CRC32C',
  'GENERATE SHA_256',
];

const sealingKeyOf = (disk: number): Buffer => Buffer.alloc(32, disk);

export function dpuOf(name: string, options: DpuOptions): object {
  const { host, isConnected = true, engines = ENGINES, hasAccelerator = true } = options;
  const { implementation = 'SOFTWARE_NATIVE', megabytesPerSecond = 1_000 } = options;
  const implementations = [implementation, ...(options.hasSoftware ? ['SOFTWARE_NATIVE'] : [])];
  const disk = options.disk ?? name.charCodeAt(name.length - 1);
  return {
    apiVersion: 'admin.outboard.dev/v1alpha1',
    kind: 'Dpu',
    metadata: metadata('_', name),
    spec: { host, ...(options.desired && { lifecycle: { desired: options.desired } }) },
    status: {
      serialNumber: `SN-${name}`,
      ...(hasAccelerator && {
        accelerator: {
          sealingPublicKey: sealingKeyOf(disk).toString('base64'),
          socketDirectory: `/run/${name}`,
          engines: implementations.flatMap((each) =>
            engines.map((engine) => {
              const [operation, algorithm] = engine.split(' ');
              return {
                operation,
                algorithm,
                module: 'test',
                implementation: each,
                placement: 'LOOKASIDE',
                maximumLevel: algorithm === 'ZSTD' ? 19 : 0,
                lane: 'LIGHT',
                speeds: [{ inputBytes: 65_536, megabytesPerSecond }],
              };
            }),
          ),
        },
      }),
      conditions: [
        {
          type: 'Healthy',
          status: isConnected ? 'True' : 'False',
          reason: isConnected ? 'LeaseRenewed' : 'LeaseExpired',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  };
}

export const portOf = (
  tenant: string,
  name: string,
  dpu: string | undefined,
  labels = {},
  uid = UID,
): object => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: { ...metadata(tenant, name, uid), labels },
  spec: { network: 'blue' },
  status: { dpu },
});

/** Admin and network-intent as others know them: lists and streams of states. */
export class Neighbours {
  readonly #resources = { dpu: new Map<string, object>(), port: new Map<string, object>() };
  readonly #portUids = new Map<string, string>();
  #ids = 0;

  constructor(
    private readonly bus: Bus,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  serve(): Promise<Subscription> {
    const list = (api: 'admin' | 'network', kind: 'dpu' | 'port') => ({
      name: kind,
      subject: subjects.rpc('_', api, kind, 'list'),
      handle: async () => {
        const answer = { items: [...this.#resources[kind].values()], nextPageToken: '' };
        return ok({ headers: {}, body: Buffer.from(JSON.stringify(answer)) });
      },
    });
    return this.bus.serve({
      name: 'neighbours',
      version: '1.0.0',
      description: 'lists DPUs and ports',
      maxInFlight: 10,
      endpoints: [list('admin', 'dpu'), list('network', 'port')],
    });
  }

  async putDpu(name: string, options: DpuOptions = {}): Promise<void> {
    const resource = dpuOf(name, options);
    this.#resources.dpu.set(name, resource);
    await this.#publish('admin', '_', 'dpu', name, resource);
  }

  async putPort(tenant: string, name: string, dpu: string | undefined, labels = {}): Promise<void> {
    const key = `${tenant}/${name}`;
    const uid = this.#portUids.get(key) ?? uuidv7(this.clock.now(), systemRandom);
    this.#portUids.set(key, uid);
    const resource = portOf(tenant, name, dpu, labels, uid);
    this.#resources.port.set(key, resource);
    await this.#publish('network', tenant, 'port', name, resource);
  }

  /** Another one of that name is another port. */
  async removePort(tenant: string, name: string): Promise<void> {
    this.#resources.port.delete(`${tenant}/${name}`);
    this.#portUids.delete(`${tenant}/${name}`);
    await this.#publish('network', tenant, 'port', name, {}, { [HEADERS.operation]: 'delete' });
  }

  async removeDpu(name: string): Promise<void> {
    this.#resources.dpu.delete(name);
    await this.#publish('admin', '_', 'dpu', name, {}, { [HEADERS.operation]: 'delete' });
  }

  async #publish(
    api: 'admin' | 'network',
    tenant: string,
    kind: string,
    name: string,
    resource: object,
    headers: Record<string, string> = {},
  ): Promise<void> {
    const subject = subjects.state({ tenant, api, kind, name });
    const message = { headers, body: Buffer.from(JSON.stringify(resource)) };
    unwrap(await this.bus.publish(subject, message, { messageId: `neighbour-${++this.#ids}` }));
  }
}
