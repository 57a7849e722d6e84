import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import {
  AF,
  address,
  type LinkInput,
  link,
  type Message,
  NetlinkSocket,
  NetworkNamespace,
  upFlags,
} from '@outboard/netlink';
import { type Dpu, type Endpoint, stopChecksumOffload } from '@outboard/testbed';
import { databaseSocket, ensureRunning, stopSwitch } from '../src/driver-ovs/processes.js';

export interface FabricDeviceOptions {
  /** Begins the names of its namespaces. */
  readonly prefix: string;
  readonly mac: string;
  readonly ip: string;
  /** It is at an access port of a switch that has this VLAN and the DPU at a trunk; absent: at the DPU's cable. */
  readonly vlanId?: number;
}

/** A machine on the fabric, beyond an uplink of a DPU, which knows nothing of Outboard. */
export class FabricDevice implements AsyncDisposable {
  private constructor(
    readonly endpoint: Endpoint,
    private readonly others: readonly NetworkNamespace[],
    private readonly directory: string | undefined,
  ) {}

  /** @param uplink name of the device that is made in the DPU as this end of the cable. */
  static async plug(dpu: Dpu, uplink: string, options: FabricDeviceOptions): Promise<FabricDevice> {
    const { prefix, mac, ip, vlanId } = options;
    const device = NetworkNamespace.create(`${prefix}.device`);
    const endpoint = { name: 'device', namespace: device, addresses: [ip] };
    let made: FabricDevice;
    if (vlanId === undefined) {
      await cable(dpu.namespace, uplink, device, { ifname: 'eth0', address: mac });
      made = new FabricDevice(endpoint, [], undefined);
    } else {
      const fabric = NetworkNamespace.create(`${prefix}.switch`);
      await cable(dpu.namespace, uplink, fabric, { ifname: 'trunk' });
      await cable(fabric, 'access', device, { ifname: 'eth0', address: mac });
      const directory = mkdtempSync(join(tmpdir(), 'outboard-fabric-'));
      made = new FabricDevice(endpoint, [fabric], directory);
      await startSwitch(directory, fabric, vlanId);
    }
    const { ifiIndex: ifaIndex } = await withSocket(device, (socket) =>
      socket.get(link.get({ ifname: 'eth0' })),
    );
    const own = { ifaFamily: AF.INET, ifaIndex, ifaPrefixlen: 24, local: ip, address: ip };
    await send(device, link.change({ ifiIndex: ifaIndex, ...upFlags() }), address.create(own));
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.directory !== undefined) {
      await stopSwitch(this.directory);
      rmSync(this.directory, { recursive: true });
    }
    for (const each of [this.endpoint.namespace, ...this.others]) each.close();
  }
}

/** A switch of the fabric that knows VLANs: the device's port is in one, the DPU's carries all of them, tagged. */
async function startSwitch(directory: string, namespace: NetworkNamespace, vlanId: number): Promise<void> {
  await ensureRunning(directory, namespace);
  execFileSync('ovs-vsctl', [
    ...[`--db=unix:${databaseSocket(directory)}`, '--', 'add-br', 'fabric', '--', 'set', 'Bridge', 'fabric'],
    ...['datapath_type=netdev', '--', 'add-port', 'fabric', 'trunk'],
    ...['--', 'add-port', 'fabric', 'access', `tag=${vlanId}`],
  ]);
}

/** Frames on it have their checksums, as on a real one. */
async function cable(
  from: NetworkNamespace,
  ifname: string,
  to: NetworkNamespace,
  end: LinkInput & { readonly ifname: string },
): Promise<void> {
  const peer = { ...end, netNsFd: to.descriptor };
  await send(from, link.create({ ifname, ...upFlags(), linkinfo: { kind: 'veth', data: { peer } } }));
  await send(to, link.change({ ifname: end.ifname, ...upFlags() }));
  stopChecksumOffload(from, ifname);
  stopChecksumOffload(to, end.ifname);
}

async function withSocket<Value>(
  namespace: NetworkNamespace,
  use: (socket: NetlinkSocket) => Promise<Value>,
): Promise<Value> {
  const socket = NetlinkSocket.open({ namespace });
  try {
    return await use(socket);
  } finally {
    socket.close();
  }
}

const send = (namespace: NetworkNamespace, ...messages: readonly Message[]): Promise<void> =>
  withSocket(namespace, async (socket) => expect((await socket.batch(messages)).failures).toEqual([]));
