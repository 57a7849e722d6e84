import { DEFAULT_DENY_POLICY } from '@outboard/bus';
import { AppError, equal, ok, type Result } from '@outboard/core';
import {
  type IpAddress,
  type Name,
  type Port,
  prefixContains,
  type Subnet,
  type TenantName,
} from '@outboard/model';
import type { NetworkNamespace } from '@outboard/netlink';
import {
  type Attachment,
  attachmentKey,
  type LeasableFunction,
  markOf,
  portLabels,
  portNameOf,
} from '../domain/attachment.js';
import { CNI_CODE, CniError } from '../domain/cni-error.js';
import type { AttachmentRequest } from '../domain/configuration.js';
import { type Connection, defaultGatewaysOf } from '../domain/result.js';
import { type ControlPlane, functionJson } from './control-plane.js';
import { configure, missingGateways, takeBack } from './pod-network.js';
import type { PortFollower } from './port-follower.js';
import type { HostPorts } from './releaser.js';

/** Functions that are tried one after the other where others have bound them or the host does not have them. */
const MAX_TRIES = 8;
/**
 * What the DPU's part has before the pod's, once the device has moved. Where both are one kernel, its lock of all devices lets one
 * of them go at a time, and the answer waits longer for the DPU's: from there it has to go through two services.
 */
const GIVE_WAY_MILLISECONDS = 3;
/** After which the events of a port that is attached are let go of: more than an answer takes. */
const LET_GO_MILLISECONDS = 20;

/** Who is to be attached, and where. */
export interface Target {
  readonly containerId: string;
  readonly ifname: string;
  /** Name of the CNI network. */
  readonly network: string;
  readonly netns: string;
  readonly namespace: NetworkNamespace;
  readonly tenant: TenantName;
  readonly request: AttachmentRequest;
}

/** Connects an interface of a pod to a port. What it leaves when it throws, the journal knows. */
export class Attacher {
  constructor(private readonly ports: HostPorts) {}

  /** `deadline` on the monotonic clock; the signal ends the wait for the port. Throws CniError, or AppError. */
  async attach(
    target: Target,
    controlPlane: ControlPlane,
    deadline: number,
    signal: AbortSignal,
  ): Promise<Attachment> {
    const { request, tenant, containerId, ifname } = target;
    const name = request.port ?? portNameOf(containerId, ifname, request.podName);
    let following: Promise<PortFollower> | undefined;
    // Called before the port is asked for: nothing that comes of that is missed. It need not be confirmed for that, as the
    // server hears both in the order in which they are said.
    const follow = (): Promise<PortFollower> => {
      if (following === undefined) {
        following = controlPlane.follow(tenant, name);
        following.catch(() => {});
      }
      return following;
    };
    let cancel = (): void => {};
    try {
      const spec = request.port === undefined ? await this.#specOf(target, controlPlane) : undefined;
      const { attachment, port } = await this.#bind(target, name, spec, controlPlane, follow);
      const follower = await follow();
      cancel = () => follower.cancel('the agent ends');
      signal.addEventListener('abort', cancel);
      if (signal.aborted) cancel();
      const ready = follower.ready(port, deadline);
      ready.catch(() => {});
      const givenWay = this.ports.clock.delay(GIVE_WAY_MILLISECONDS);
      const wanted = connectionOf(port, request);
      const defaultGateways = await missingGateways(target.namespace, wanted.defaultGateways);
      const connection = { ...wanted, defaultGateways };
      const attached: Attachment = { ...attachment, phase: 'attached', connection };
      const write = this.ports.journal.prepare(attached);
      await Promise.race([ready.catch(() => {}), givenWay]);
      await configure(target.namespace, ifname, connection);
      await ready;
      // Not before: of an agent that dies while it waits, the next one is to undo what nobody was told of.
      write();
      return attached;
    } finally {
      signal.removeEventListener('abort', cancel);
      // Behind the answer: it would be in the way of that.
      this.ports.clock.schedule(LET_GO_MILLISECONDS, () =>
        following?.then(
          (follower) => follower[Symbol.asyncDispose](),
          () => {},
        ),
      );
    }
  }

  /** A function that can be had, on its way into the pod, and the port that has it. */
  async #bind(
    target: Target,
    name: Name,
    spec: Readonly<Record<string, unknown>> | undefined,
    controlPlane: ControlPlane,
    follow: () => unknown,
  ): Promise<{ attachment: Attachment; port: Port }> {
    const { functions, network, journal } = this.ports;
    const { tenant, containerId, ifname, request } = target;
    const holder = attachmentKey(containerId, ifname);
    // Otherwise somebody has said which one.
    const isChosen = request.deviceId === undefined && request.port === undefined;
    for (let attempt = 1; ; attempt++) {
      const { leased, made } = await this.#lease(target, name, controlPlane);
      const device = await network.givable(leased);
      if (device === undefined) {
        functions.reject(leased, holder);
        if (isChosen && attempt < MAX_TRIES) continue;
        const message = `the device of function ${leased.name} is not in the host`;
        throw new CniError(CNI_CODE.TRY_AGAIN_LATER, message, message);
      }
      const attachment: Attachment = {
        containerId,
        ifname,
        network: target.network,
        netns: { path: target.netns, inode: target.namespace.inode },
        pod: { namespace: request.podNamespace, name: request.podName },
        tenant,
        port: name,
        made,
        function: leased,
        device: { ifname: device.ifname, address: device.address, mtu: device.mtu },
        phase: 'attaching',
        connection: undefined,
      };
      try {
        journal.write(attachment);
      } catch (failure) {
        functions.release(leased, holder);
        throw failure;
      }
      // At the same time, as the kernel takes its time over a move: nothing passes before the DPU has opened the port.
      const moving = network.give(device, target.namespace, { ifname, mark: markOf(holder) });
      // A turn later: the move is on its way before there is anything to encode.
      const connecting = Promise.resolve().then(() => {
        follow();
        return this.#connect(target, attachment, spec, controlPlane);
      });
      const [moved, applied] = await Promise.allSettled([moving, connecting]);
      if (moved.status === 'rejected') throw moved.reason;
      if (applied.status === 'rejected') throw applied.reason;
      if (applied.value.ok) return { attachment, port: applied.value.value };
      const { error } = applied.value;
      if (error.reason !== 'FUNCTION_BOUND' || !isChosen || attempt === MAX_TRIES) {
        throw CniError.from(error, `port ${tenant}/${name}`);
      }
      // Somebody else's, whatever admin shows.
      await takeBack(target.namespace, { ifname, mark: markOf(holder), byName: false }, attachment.device);
      functions.reject(leased, holder);
    }
  }

  /** The port with that function: made, or one that is there, which gets it unless it has it. */
  #connect(
    { containerId, request }: Target,
    { tenant, port, made, function: leased, pod }: Attachment,
    spec: Readonly<Record<string, unknown>> | undefined,
    controlPlane: ControlPlane,
  ): Promise<Result<Port, AppError>> {
    if (spec !== undefined) {
      const labels = portLabels(this.ports.host, containerId, pod, request.labels);
      return controlPlane.applyPort({
        metadata: { tenant, name: port, labels },
        spec: { ...spec, function: functionJson(leased) },
      });
    }
    return made === 'binding'
      ? controlPlane.bindPort(tenant, port, leased)
      : controlPlane.getPort(tenant, port);
  }

  /** Chooses a function: the device plugin's, the one that the port has, or one of the pool. */
  async #lease(
    { request, tenant, containerId, ifname }: Target,
    name: Name,
    controlPlane: ControlPlane,
  ): Promise<{ leased: LeasableFunction; made: Attachment['made'] }> {
    const { functions } = this.ports;
    const { port, deviceId, pool } = request;
    const holder = attachmentKey(containerId, ifname);
    const found = port === undefined ? undefined : await controlPlane.getPort(tenant, name);
    if (found?.ok === false) throw CniError.from(found.error, `port ${tenant}/${name}`);
    if (found !== undefined) requireAsAsked(found.value, request);
    const bound = found?.value.spec.function;
    const attempt = (): Result<LeasableFunction, AppError> | undefined => {
      if (bound !== undefined) return functions.leaseIdentity(bound, holder);
      if (deviceId !== undefined) return functions.leaseDevice(deviceId, holder);
      const leased = functions.lease(pool, holder);
      return leased && ok(leased);
    };
    let leased = attempt();
    // What is known may be old.
    if (!leased?.ok && (await functions.refreshSoon()).ok) leased = attempt();
    if (leased?.ok) {
      return {
        leased: leased.value,
        made: port === undefined ? 'port' : bound === undefined ? 'binding' : 'nothing',
      };
    }
    if (leased !== undefined) throw CniError.from(leased.error, 'choosing a function');
    throw new CniError(CNI_CODE.TRY_AGAIN_LATER, functions.noneFree(pool));
  }

  /** What a port that is made asks for, but its function. */
  async #specOf(
    { request, tenant }: Target,
    controlPlane: ControlPlane,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { macAddress, securityPolicies, defaultDeny, ips, bandwidth } = request;
    const network = await this.#networkOf(request, tenant, controlPlane);
    const policies = [...new Set([...(defaultDeny ? [DEFAULT_DENY_POLICY] : []), ...securityPolicies])];
    return {
      network,
      ...(ips.length > 0 && { addresses: await addressesOf(controlPlane, tenant, network, ips) }),
      ...(macAddress !== undefined && { macAddress }),
      ...(bandwidth !== undefined && { bandwidth }),
      ...(policies.length > 0 && { securityPolicies: policies }),
    };
  }

  async #networkOf(
    { network }: AttachmentRequest,
    tenant: string,
    controlPlane: ControlPlane,
  ): Promise<string> {
    if (network === undefined) throw new Error('a request without a port has a network');
    if ('name' in network) return network.name;
    const labelSelector = Object.entries(network.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    const listed = await controlPlane.list('Network', tenant, { labelSelector });
    if (!listed.ok) throw CniError.from(listed.error, `networks of tenant ${tenant}`);
    const names = listed.value.map(({ metadata }) => metadata.name);
    const [name] = names;
    if (name !== undefined && names.length === 1) return name;
    const found = names.length === 0 ? 'none' : `${names.length}: ${names.slice(0, 10).join(', ')}`;
    const message = `networkSelector must select one network of tenant ${tenant}; ${labelSelector} selects ${found}`;
    throw new CniError(CNI_CODE.INVALID_CONFIGURATION, message, message);
  }
}

/** An address of each subnet; where one is asked for, that one. */
async function addressesOf(
  controlPlane: ControlPlane,
  tenant: string,
  network: string,
  ips: readonly IpAddress[],
): Promise<readonly { subnet: string; ip?: string }[]> {
  const listed = await controlPlane.list('Subnet', tenant, { fieldSelector: `spec.network=${network}` });
  if (!listed.ok) throw CniError.from(listed.error, `subnets of network ${tenant}/${network}`);
  const asked = new Map<Subnet, IpAddress>();
  const problems: string[] = [];
  for (const ip of ips) {
    const subnet = listed.value.find(({ spec }) => prefixContains(spec.cidr, ip));
    if (subnet === undefined) problems.push(`${ip} is in no subnet of network ${tenant}/${network}`);
    else if (asked.has(subnet))
      problems.push(`${ip} is the second address of subnet ${subnet.metadata.name}`);
    else asked.set(subnet, ip);
  }
  if (problems.length > 0) {
    throw new CniError(CNI_CODE.INVALID_CONFIGURATION, problems[0] ?? '', problems.join('\n'));
  }
  return listed.value.map((subnet) => {
    const ip = asked.get(subnet);
    return { subnet: subnet.metadata.name, ...(ip !== undefined && { ip }) };
  });
}

/** A port that is there keeps what it has: what the runtime asks for must be that. */
function requireAsAsked(
  { metadata, spec, status }: Port,
  { macAddress, ips, bandwidth }: AttachmentRequest,
): void {
  const port = `port ${metadata.tenant}/${metadata.name}`;
  const wrong: string[] = [];
  if (macAddress !== undefined && macAddress !== status.macAddress) {
    wrong.push(`${port} has MAC address ${status.macAddress}, not ${macAddress}`);
  }
  for (const ip of ips) {
    if (!status.addresses.some((each) => each.ip === ip)) wrong.push(`${port} does not have address ${ip}`);
  }
  if (bandwidth !== undefined && !equal(bandwidth, spec.bandwidth)) {
    wrong.push(`${port} does not have the bandwidth that is asked for`);
  }
  if (wrong.length === 0) return;
  throw new CniError(CNI_CODE.INVALID_CONFIGURATION, wrong[0] ?? '', wrong.join('\n'));
}

function connectionOf({ metadata, status }: Port, { dns, defaultRoute }: AttachmentRequest): Connection {
  const { macAddress, mtu, addresses } = status;
  if (macAddress === undefined || mtu === undefined) {
    throw new AppError(
      'INTERNAL',
      `port ${metadata.tenant}/${metadata.name} was accepted without an address or an MTU`,
    );
  }
  const given = addresses.map(({ ip, prefixLength, gateway }) => ({ ip, prefixLength, gateway }));
  return {
    macAddress,
    mtu,
    addresses: given,
    defaultGateways: defaultRoute ? defaultGatewaysOf(given) : [],
    dns,
  };
}
