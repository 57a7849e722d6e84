import type { Bus } from '@outboard/bus';
import { HEADERS, subjects } from '@outboard/contracts';
import { type AppError, ok, type Result, systemClock, unwrap } from '@outboard/core';

const TENANT = 'acme';
const DPUS = 20;
const NETWORKS = 100;
const PF_MAC_ADDRESS = '08:c0:eb:00:00:01';
const UID = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
/** Publishes that wait for their acknowledgement. */
const PUBLISHED_AT_ONCE = 512;
const ASK_EVERY_MILLISECONDS = 50;

/** Publishes durably, in order. Throws what the stream refuses. */
export const publishIntents = (bus: Bus, intents: readonly Intent[]): Promise<void> =>
  inParallel(intents, async ({ subject, messageId, body }) => {
    const headers = { [HEADERS.messageId]: messageId };
    unwrap(await bus.publish(subject, { headers, body }, { messageId }));
  });

/** An intent as it is published. */
export interface Intent {
  readonly subject: string;
  readonly messageId: string;
  readonly body: Uint8Array;
}

const serialNumberOf = (dpu: number): string => `OB-BENCH-${dpu}`;
const metadata = (name: string): object => ({
  tenant: '_',
  name,
  uid: UID,
  generation: 1,
  resourceVersion: '1',
});

/** DPUs with as many functions together as there will be ports, as admin tells of them. Nobody works on these DPUs. */
export class Fleet {
  readonly #functionsOfEach: number;

  constructor(functions: number) {
    this.#functionsOfEach = Math.ceil(functions / DPUS);
  }

  /** What admin would have published. */
  async publishInventory(bus: Bus): Promise<void> {
    const dpus = Array.from({ length: DPUS }, (_, dpu) => dpuResource(dpu));
    await publishStates(bus, 'dpu', dpus);
    const functions = dpus.flatMap((_, dpu) =>
      Array.from({ length: this.#functionsOfEach }, (_, vfNumber) => functionResource(dpu, vfNumber)),
    );
    await publishStates(bus, 'function', functions);
  }

  /** The function of a port; each has its own. */
  functionOf(port: number): object {
    return {
      serialNumber: serialNumberOf(port % DPUS),
      pfMacAddress: PF_MAC_ADDRESS,
      vfNumber: Math.floor(port / DPUS),
    };
  }

  /**
   * Resolves when the service knows the networks and the whole fleet: a port on the function that was told last is
   * bound.
   */
  async projected(bus: Bus): Promise<void> {
    const spec = { network: networkOf(0), function: this.functionOf(DPUS * this.#functionsOfEach - 1) };
    for (;;) {
      const port = await ask(bus, 'apply', manifest('Port', 'probe', spec));
      if (port.ok && (port.value as { status: { dpu?: string } }).status.dpu !== undefined) break;
      if (!port.ok && port.error.reason !== 'NETWORK_NOT_FOUND') throw port.error;
      await systemClock.delay(ASK_EVERY_MILLISECONDS);
    }
    unwrap(await ask(bus, 'delete', { name: 'probe' }));
  }
}

/** Networks, each with a subnet that has room for its share of the ports. */
export const networkIntents = (): Intent[] =>
  Array.from({ length: NETWORKS }, (_, index) => index).flatMap((index) => [
    intent('Network', networkOf(index), {}),
    intent('Subnet', `${networkOf(index)}-v4`, { network: networkOf(index), cidr: `10.${index}.0.0/16` }),
  ]);

/** A port on its own function; address and MAC are given to it. */
export const portIntent = (fleet: Fleet, index: number): Intent =>
  intent('Port', `port-${index}`, {
    network: networkOf(index % NETWORKS),
    function: fleet.functionOf(index),
  });

const networkOf = (index: number): string => `net-${index}`;

const manifest = (kind: string, name: string, spec: object) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind,
  metadata: { tenant: TENANT, name, labels: { app: 'web' } },
  spec,
});

const intent = (kind: string, name: string, spec: object): Intent => ({
  subject: subjects.intent({ tenant: TENANT, api: 'network', kind: kind.toLowerCase(), name }),
  messageId: crypto.randomUUID(),
  body: Buffer.from(JSON.stringify(manifest(kind, name, spec))),
});

async function ask(bus: Bus, verb: 'apply' | 'delete', body: object): Promise<Result<unknown, AppError>> {
  const subject = subjects.rpc(TENANT, 'network', 'port', verb);
  const message = { headers: {}, body: Buffer.from(JSON.stringify(body)) };
  const reply = await bus.request(subject, message, { deadlineMilliseconds: 10_000 });
  return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
}

async function publishStates(
  bus: Bus,
  kind: string,
  resources: readonly { metadata: object }[],
): Promise<void> {
  await inParallel(resources, async (resource) => {
    const { name } = resource.metadata as { name: string };
    const subject = subjects.state({ tenant: '_', api: 'admin', kind, name });
    const message = { headers: {}, body: Buffer.from(JSON.stringify(resource)) };
    unwrap(await bus.publish(subject, message, { messageId: `${kind}-${name}` }));
  });
}

/** Calls the action for each, begun in order, so many at once. */
async function inParallel<Value>(
  values: readonly Value[],
  action: (value: Value) => Promise<void>,
): Promise<void> {
  const rest = values.values();
  const acting = async (): Promise<void> => {
    for (const value of rest) await action(value);
  };
  await Promise.all(Array.from({ length: PUBLISHED_AT_ONCE }, acting));
}

const dpuResource = (dpu: number) => ({
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Dpu',
  metadata: metadata(`dpu-${dpu}`),
  status: {
    serialNumber: serialNumberOf(dpu),
    underlay: { device: 'up0', address: `10.255.0.${dpu + 1}`, mtu: 1500 },
    conditions: [
      {
        type: 'Healthy',
        status: 'True',
        reason: 'LeaseRenewed',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  },
});

const functionResource = (dpu: number, vfNumber: number) => ({
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Function',
  metadata: metadata(`dpu-${dpu}-pf0vf${vfNumber}`),
  spec: { pool: 'default' },
  status: {
    dpu: `dpu-${dpu}`,
    serialNumber: serialNumberOf(dpu),
    pfMacAddress: PF_MAC_ADDRESS,
    vfNumber,
    representor: { netdev: `pf0vf${vfNumber}` },
  },
});
