import type { Bus } from '@outboard/bus';
import { TenantClient, type TenantConnection } from '@outboard/client';
import type { Port } from '@outboard/model';
import { type Host, type Pod, type PortStatus, type Testbed, VlanDevice } from '@outboard/testbed';

export type { Manifest } from '@outboard/client';

/** Of the pod of a tenant's port. */
export const podName = (tenant: string, port: string): string => `${tenant}-${port}`;

/** What an orchestrator of one tenant does, and the host's CNI after it, which puts pods on its ports. */
export class Workspace extends TenantClient {
  private constructor(
    private readonly testbed: Testbed,
    connection: TenantConnection,
  ) {
    super(connection);
  }

  static async open(testbed: Testbed, tenant: string, bus: Bus): Promise<Workspace> {
    return new Workspace(testbed, await TenantClient.connect(tenant, bus));
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

  /** Gives the pod of a port a device for a VLAN of it that is a port, as that one's status says. The caller disposes of it. */
  async connectVlan(pod: Pod, { spec: { trunk }, ...port }: Port): Promise<VlanDevice> {
    const { vlanId = 0 } = trunk ?? {};
    const [parent, device] = ['eth0', vlanDeviceName(vlanId)];
    const { namespace } = pod;
    return VlanDevice.create({ namespace, parent, vlanId, device, status: givenBy(port) });
  }
}

/** As `ip link` calls VLANs of `eth0`. */
export const vlanDeviceName = (vlanId: number): string => `eth0.${vlanId}`;

const givenBy = ({ status }: Pick<Port, 'status'>): PortStatus => ({
  mtu: status.mtu ?? 0,
  macAddress: status.macAddress ?? '',
  addresses: status.addresses.map(({ gateway, ...address }) => ({ ...address, gateway: gateway ?? '' })),
});
