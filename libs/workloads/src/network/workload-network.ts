import { AppError } from '@outboard/core';
import { setSysctls } from '@outboard/ffi';
import {
  AF,
  address,
  applyAll,
  defaultRouteMessage,
  IFA_F,
  type Link,
  link,
  linkByName,
  type Message,
  type NetlinkSocket,
  NetworkNamespace,
  type PrefixedAddress,
  RT_TABLE,
  RTN,
  RTPROT,
  route,
  upFlags,
  withSocket,
} from '@outboard/netlink';
import type { WantedInterface } from '../workload.js';
import { functionDevice, functionOfAlias } from './function-names.js';

const PREFIX = 'workload-';
/** In milliseconds, instead of 1000: a first question for a neighbour may be too early. */
const NEIGHBOUR_RETRY = '100';

export const workloadNamespace = (uid: string): string => `${PREFIX}${uid}`;
export const pathOfNamespace = (uid: string): string => `/run/netns/${workloadNamespace(uid)}`;

/** In IFA_PROTO: who has set an address. Kernels before 5.18 do not keep it, and then an address that changes stays. */
const OUTBOARD_ADDRESS = 0x4f;

const markedAddress = (ifaIndex: number, { ip, prefixLength }: PrefixedAddress): Message => {
  const version4 = !ip.includes(':');
  return address.create({
    ifaFamily: version4 ? AF.INET : AF.INET6,
    ifaPrefixlen: prefixLength,
    ifaIndex,
    address: ip,
    proto: OUTBOARD_ADDRESS,
    ...(version4 ? { local: ip } : { flags: IFA_F.NODAD }),
  });
};

const markOf = (uid: string): string => `outboard:admin:workload/${uid}`;

/** The network namespaces of workloads, and the functions in them. A namespace lives as long as its workload is wanted. */
export class WorkloadNetwork {
  constructor(
    /** In the DPU's namespace. */
    private readonly socket: NetlinkSocket,
    /** The DPU's; undefined: the one this process is in. */
    private readonly home: NetworkNamespace | undefined,
  ) {}

  /** Uids of the workloads that have a namespace with our mark. */
  async list(): Promise<readonly string[]> {
    const uids: string[] = [];
    for (const name of NetworkNamespace.list(PREFIX)) {
      const uid = name.slice(PREFIX.length);
      const isOurs = await this.#within(uid, async (socket) => {
        const { ifalias } = await socket.get(link.get({ ifname: 'lo' }));
        return ifalias === markOf(uid) || (await socket.dump(link.dump())).length === 1;
      });
      if (isOurs) uids.push(uid);
    }
    return uids;
  }

  /**
   * Makes the namespace have these interfaces and no other functions. Throws AppError: FAILED_PRECONDITION for a
   * function that is not there, or somewhere else; INTERNAL with the kernel's refusal.
   */
  async plug(uid: string, interfaces: readonly WantedInterface[]): Promise<void> {
    await this.#ensure(uid);
    await this.#within(uid, async (socket, namespace) => {
      const wanted = new Map(interfaces.map((each) => [functionDevice(each.representor), each]));
      for (const there of await socket.dump(link.dump())) {
        const device = functionOfAlias(there.ifalias);
        if (device === undefined) continue;
        const keeps = wanted.get(device);
        if (keeps === undefined) await this.#giveBack(socket, there, device);
        else if (keeps.name !== there.ifname)
          await applyAll(socket, `rename ${there.ifname}`, [
            link.change({ ifiIndex: there.ifiIndex, ...upFlags(false), ifname: keeps.name }),
          ]);
      }
      for (const each of interfaces) await this.#plugOne(socket, namespace, each);
    });
  }

  /** Gives the functions back and takes the namespace away. Harmless where there is none. */
  async unplug(uid: string): Promise<void> {
    if (!NetworkNamespace.list(workloadNamespace(uid)).includes(workloadNamespace(uid))) return;
    await this.#within(uid, async (socket) => {
      for (const there of await socket.dump(link.dump())) {
        const device = functionOfAlias(there.ifalias);
        if (device !== undefined) await this.#giveBack(socket, there, device);
      }
    });
    NetworkNamespace.remove(workloadNamespace(uid));
  }

  async #ensure(uid: string): Promise<void> {
    const name = workloadNamespace(uid);
    if (NetworkNamespace.list(name).includes(name) && isNamespace(name)) return;
    NetworkNamespace.remove(name);
    const namespace = NetworkNamespace.create(name);
    try {
      // Addresses come from ports alone: none is made up from router advertisements, none is tentative.
      setSysctls(namespace, {
        'net/ipv6/conf/default/accept_ra': '0',
        'net/ipv6/conf/default/accept_dad': '0',
      });
      await withSocket(namespace, (socket) =>
        applyAll(socket, `namespace ${name}`, [
          link.change({ ifname: 'lo', ifalias: markOf(uid), ...upFlags() }),
        ]),
      );
    } finally {
      namespace.close();
    }
  }

  async #within<Value>(
    uid: string,
    action: (socket: NetlinkSocket, namespace: NetworkNamespace) => Promise<Value>,
  ): Promise<Value> {
    const namespace = NetworkNamespace.open({ name: workloadNamespace(uid) });
    try {
      return await withSocket(namespace, (socket) => action(socket, namespace));
    } finally {
      namespace.close();
    }
  }

  async #plugOne(socket: NetlinkSocket, namespace: NetworkNamespace, wanted: WantedInterface): Promise<void> {
    const device = functionDevice(wanted.representor);
    const { name } = wanted;
    const there = await linkByName(socket, name);
    if (there !== undefined && functionOfAlias(there.ifalias) !== device)
      throw new AppError('FAILED_PRECONDITION', `the workload has another device called ${name}`);
    if (there === undefined) {
      const function_ = await linkByName(this.socket, device);
      if (function_ === undefined || functionOfAlias(function_.ifalias) !== device)
        throw new AppError(
          'FAILED_PRECONDITION',
          `the function of ${wanted.representor} is not there, or in use`,
        );
      const move = link.change({
        ifiIndex: function_.ifiIndex,
        netNsFd: namespace.descriptor,
        ifname: name,
        address: wanted.macAddress,
        mtu: wanted.mtu,
      });
      await applyAll(this.socket, `move ${device} to ${name}`, [move], { offThread: true });
      setSysctls(namespace, {
        [`net/ipv4/neigh/${name}/retrans_time_ms`]: NEIGHBOUR_RETRY,
        [`net/ipv6/neigh/${name}/retrans_time_ms`]: NEIGHBOUR_RETRY,
      });
    }
    await this.#configure(socket, wanted);
  }

  /** What the port says; what the workload itself has added stays. */
  async #configure(socket: NetlinkSocket, wanted: WantedInterface): Promise<void> {
    const { ifiIndex, address: mac, mtu } = await socket.get(link.get({ ifname: wanted.name }));
    if (mac !== wanted.macAddress || mtu !== wanted.mtu)
      await applyAll(socket, `address of ${wanted.name}`, [
        link.change({ ifiIndex, address: wanted.macAddress, mtu: wanted.mtu }),
      ]);
    const addresses = wanted.addresses.map(prefixedAddress);
    const present = await socket.dump(address.dump(), (each) =>
      each.ifaIndex === ifiIndex ? each : undefined,
    );
    const textOf = (each: (typeof present)[number]) => `${each.local ?? each.address}/${each.ifaPrefixlen}`;
    const former = present.filter(
      (each) => each.proto === OUTBOARD_ADDRESS && !wanted.addresses.includes(textOf(each)),
    );
    const missing = addresses.filter(
      ({ ip, prefixLength }) => !present.some((each) => textOf(each) === `${ip}/${prefixLength}`),
    );
    await applyAll(socket, `addresses of ${wanted.name}`, [
      link.change({ ifiIndex, ...upFlags() }),
      ...former.map(({ ifaFamily, ifaPrefixlen, ifaIndex, address: ip, local }) =>
        address.remove({ ifaFamily, ifaPrefixlen, ifaIndex, address: ip, local }),
      ),
      ...missing.map((each) => markedAddress(ifiIndex, each)),
    ]);
    await this.#settleRoutes(socket, ifiIndex, wanted.gateways);
  }

  /** The default routes that a port has brought lead to its gateways. */
  async #settleRoutes(socket: NetlinkSocket, oif: number, gateways: readonly string[]): Promise<void> {
    const present = await socket.dump(route.dump(), (each) =>
      each.rtmDstLen === 0 && each.oif === oif && each.rtmProtocol === RTPROT.STATIC ? each : undefined,
    );
    const former = present.filter(({ gateway }) => gateway === undefined || !gateways.includes(gateway));
    const missing = gateways.filter((gateway) => !present.some((each) => each.gateway === gateway));
    await applyAll(socket, 'default routes', [
      ...former.map(({ rtmFamily, gateway }) =>
        route.remove({ rtmFamily, rtmTable: RT_TABLE.MAIN, rtmType: RTN.UNICAST, gateway, oif }),
      ),
      ...missing.map((gateway) => defaultRouteMessage(oif, gateway)),
    ]);
  }

  async #giveBack(socket: NetlinkSocket, there: Link, device: string): Promise<void> {
    await withHome(this.home, (descriptor) =>
      applyAll(
        socket,
        `give ${device} back`,
        [link.change({ ifiIndex: there.ifiIndex, ...upFlags(false), netNsFd: descriptor, ifname: device })],
        { offThread: true },
      ),
    );
  }
}

async function withHome(
  home: NetworkNamespace | undefined,
  action: (descriptor: number) => Promise<void>,
): Promise<void> {
  if (home !== undefined) return action(home.descriptor);
  const own = NetworkNamespace.open('self');
  try {
    await action(own.descriptor);
  } finally {
    own.close();
  }
}

/** False for a name without a namespace, left by a creation that was cut short. */
function isNamespace(name: string): boolean {
  const namespace = NetworkNamespace.open({ name });
  try {
    namespace.run(() => {});
    return true;
  } catch {
    return false;
  } finally {
    namespace.close();
  }
}

function prefixedAddress(text: string): PrefixedAddress {
  const slash = text.indexOf('/');
  return { ip: text.slice(0, slash), prefixLength: Number(text.slice(slash + 1)) };
}
