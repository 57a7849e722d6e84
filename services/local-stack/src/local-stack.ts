import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  connectNats,
  generateCredentials,
  readCredentials,
  renderServerConfig,
  roles,
  type StreamBus,
} from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { type AnyResource, type Dpu, decodeResource, type Port } from '@outboard/model';
import { link, NetlinkSocket } from '@outboard/netlink';
import {
  type DpuSpecification,
  Stack,
  type StackClient,
  type StackOptions,
  Testbed,
} from '@outboard/testbed';
import { Prober } from './prober.js';
import { podName, Workspace } from './workspace.js';

export interface LocalStackOptions
  extends Partial<
    Pick<
      StackOptions,
      | 'placement'
      | 'storeDurability'
      | 'logLevel'
      | 'leaseMilliseconds'
      | 'resyncSeconds'
      | 'environment'
      | 'clientPort'
      | 'drivers'
      | 'workloadDirectories'
      | 'acceleration'
    >
  > {
  /** Name of the testbed; unique on the machine. */
  readonly name: string;
  /** Where stores, logs and credentials go; absent: a temporary directory, which goes with the stack. */
  readonly directory?: string;
  readonly dpus?: readonly DpuSpecification[];
  /** Bytes; default 1500. */
  readonly underlayMtu?: number;
  /** Whether DPUs have a second uplink, for VLAN and FLAT networks. Default false. */
  readonly providerNetwork?: boolean;
  /** Tenants that get an orchestrator's credentials; default acme and globex. */
  readonly tenants?: readonly string[];
  /** A host agent on every host, for the CNI plugin. Default false. */
  readonly agents?: boolean;
  /** Without workers somebody else keeps the DPUs. Default true. */
  readonly workers?: boolean;
}

/** The main programs of the services, from this one's compiled file. */
const mainOf = (service: string): string =>
  fileURLToPath(new URL(`../../${service}/dist/main.js`, import.meta.url));

const SERVICES = ['admin', 'network-intent'];
/** Besides, where workers serve acceleration. */
const ACCELERATION_BROKER = 'acceleration-broker';

/** Name of the role that a program has. */
function roleOf({ service, dpu, host }: StackClient): string {
  if (dpu !== undefined) return roles.worker(dpu).name;
  return host === undefined ? service : roles.hostAgent(host).name;
}

/** Two DPUs, each in a host of its own, as the manifests in `examples/` name them. */
export const EXAMPLE_DPUS: readonly DpuSpecification[] = [
  { name: 'dpu-a', serialNumber: 'OB-SIM-0001', pfMacAddress: '02:0b:00:00:01:00', functions: 16 },
  { name: 'dpu-b', serialNumber: 'OB-SIM-0002', pfMacAddress: '02:0b:00:00:02:00', functions: 16 },
];

/** The tenants of the manifests in `examples/two-tenants`. */
export const EXAMPLE_TENANTS = ['acme', 'globex'];

/** Two more, on Open vSwitch, and the tenant of `examples/open-vswitch`, whose network spans both drivers. */
export const OVS_EXAMPLE = {
  dpus: [
    { name: 'dpu-c', serialNumber: 'OB-SIM-0003', pfMacAddress: '02:0b:00:00:03:00', functions: 16 },
    { name: 'dpu-d', serialNumber: 'OB-SIM-0004', pfMacAddress: '02:0b:00:00:04:00', functions: 16 },
  ],
  tenant: 'initech',
} as const;

/** Everything of Outboard on one machine: a testbed, the bus with its roles, the services, a worker on every DPU. */
export class LocalStack implements AsyncDisposable {
  readonly #open: AsyncDisposable[] = [];
  #operator: Promise<StreamBus> | undefined;

  private constructor(
    readonly testbed: Testbed,
    readonly stack: Stack,
    /** Folder with `<role>.seed` of every role. */
    readonly credentials: string,
  ) {}

  static async start(options: LocalStackOptions): Promise<LocalStack> {
    const {
      name,
      directory,
      dpus = EXAMPLE_DPUS,
      underlayMtu,
      providerNetwork = false,
      tenants = EXAMPLE_TENANTS,
      workers = true,
      agents = false,
      ...passed
    } = options;
    const testbed = await Testbed.create({
      name,
      // What forwards in user space cannot fill in checksums for its functions.
      dpus: dpus.map((dpu) => ({ ...dpu, checksumOffload: passed.drivers?.[dpu.name] !== 'ovs' })),
      providerNetwork,
      ...(directory !== undefined && { directory }),
      ...(underlayMtu !== undefined && { underlayMtu }),
    });
    try {
      const credentials = join(testbed.directory, 'credentials');
      const authorized = await generateCredentials(credentials, [
        roles.admin(),
        roles.networkIntent(),
        roles.accelerationBroker(),
        roles.operator(),
        roles.prober(),
        ...dpus.map((dpu) => roles.worker(dpu.name)),
        ...[...testbed.hosts.keys()].map((host) => roles.hostAgent(host)),
        ...tenants.map((tenant) => roles.orchestrator(tenant)),
      ]);
      const seeds = new Map<string, string>();
      for (const { role } of authorized) {
        const { seed } = await readCredentials(credentials, role.name);
        seeds.set(role.name, Buffer.from(seed).toString());
      }
      const stack = await Stack.start(testbed, {
        ...passed,
        nats: {
          configuration: (place) => renderServerConfig({ ...place, roles: authorized }),
          seed: (client) => seeds.get(roleOf(client)),
        },
        services: Object.fromEntries(
          [...SERVICES, ...(passed.acceleration ? [ACCELERATION_BROKER] : [])].map((service) => [
            service,
            mainOf(service),
          ]),
        ),
        ...(workers && { worker: mainOf('dataplane-worker') }),
        ...(agents && { agent: mainOf('host-agent') }),
      });
      const local = new LocalStack(testbed, stack, credentials);
      await local.#serveProbes();
      return local;
    } catch (failure) {
      await testbed[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** A connection as the operator, who may see and do everything that people may. */
  async operator(): Promise<StreamBus> {
    return this.#connect('operator');
  }

  /** What an orchestrator of that tenant has. */
  async workspace(tenant: string): Promise<Workspace> {
    const workspace = await Workspace.open(
      this.testbed,
      tenant,
      await this.#connect(`orchestrator-${tenant}`),
    );
    this.#open.push(workspace);
    return workspace;
  }

  /** Every port of a tenant, from the API itself. */
  async ports(tenant: string): Promise<readonly Port[]> {
    const bus = await this.#asking();
    const ports: Port[] = [];
    for (let pageToken = ''; ; ) {
      const body = Buffer.from(JSON.stringify({ pageSize: 500, pageToken }));
      const subject = subjects.rpc(tenant, 'network', 'port', 'list');
      const reply = unwrap(
        await bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 5_000 }),
      );
      const page = JSON.parse(Buffer.from(reply.body).toString()) as {
        items: unknown[];
        nextPageToken: string;
      };
      for (const item of page.items) {
        const port = unwrap(decodeResource(item));
        if (port.kind === 'Port') ports.push(port);
      }
      pageToken = page.nextPageToken;
      if (pageToken === '') return ports;
    }
  }

  /** The DPUs as their workers describe them: name, driver, what was probed. */
  async dpus(): Promise<readonly Dpu[]> {
    return (await this.#list('dpu')).flatMap((item) => (item.kind === 'Dpu' ? [item] : []));
  }

  /** Numbers of the VFs of a DPU that no port has, ascending. */
  async freeFunctions(dpu: string): Promise<readonly number[]> {
    const functions = (await this.#list('function')).flatMap((item) =>
      item.kind === 'Function' ? [item.status] : [],
    );
    return functions
      .flatMap(({ dpu: home, claim, vfNumber }) =>
        home === dpu && claim === undefined && vfNumber !== undefined ? [vfNumber] : [],
      )
      .sort((one, other) => one - other);
  }

  /** The first 500 of a kind of admin's. */
  async #list(kind: string): Promise<readonly AnyResource[]> {
    const body = Buffer.from(JSON.stringify({ pageSize: 500 }));
    const subject = subjects.rpc('_', 'admin', kind, 'list');
    const bus = await this.#asking();
    const reply = unwrap(await bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 5_000 }));
    const { items } = JSON.parse(Buffer.from(reply.body).toString()) as { items: unknown[] };
    return items.map((item) => unwrap(decodeResource(item)));
  }

  /** Keys of the endpoints that have devices in a DPU's own namespace, as the marks on these say. */
  async endpoints(dpu: string): Promise<ReadonlySet<string>> {
    const socket = NetlinkSocket.open({ namespace: this.testbed.dpu(dpu).namespace });
    try {
      const keys = new Set<string>();
      for (const { ifalias } of await socket.dump(link.dump())) {
        const key = /^outboard:network:(endpoint\/.+)$/.exec(ifalias ?? '')?.[1];
        if (key !== undefined) keys.add(key);
      }
      return keys;
    } finally {
      socket.close();
    }
  }

  /** Removes everything that it made. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((each) => each[Symbol.asyncDispose]()));
    await this.stack.stop();
    await this.testbed[Symbol.asyncDispose]();
  }

  /** Answers what becomes of flows, from the pods of ports. */
  async #serveProbes(): Promise<void> {
    const prober = new Prober((tenant, port) => this.testbed.pods.get(podName(tenant, port)));
    this.#open.push(await prober.serve(await this.#connect('prober')));
  }

  /** The one connection that this class itself asks by: the forwarder has only so many. */
  #asking(): Promise<StreamBus> {
    this.#operator ??= this.operator();
    return this.#operator;
  }

  async #connect(role: string): Promise<StreamBus> {
    const bus = await connectNats({
      servers: this.stack.clientUrl,
      name: role,
      ...(await readCredentials(this.credentials, role)),
    });
    this.#open.push(bus);
    return bus;
  }
}
