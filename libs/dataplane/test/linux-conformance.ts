import {
  AF,
  link,
  linkByName,
  type Message,
  NetlinkSocket,
  NetworkNamespace,
  NUD,
  neighbour,
  RT_TABLE,
  RTN,
  RTPROT,
  route,
} from '@outboard/netlink';
import { Testbed } from '@outboard/testbed';
import { type ConformanceWorld, driverConformance } from '../src/conformance-suite.js';
import { LinuxDriver } from '../src/driver-linux/linux-driver.js';
import type { LinuxSpec } from '../src/realise/linux-objects.js';
import { parseAlias } from '../src/realise/names.js';
import * as d from '../src/testing/documents.js';

let worlds = 0;

/** A DPU of a testbed, in namespaces that no other test uses. */
async function linuxWorld(): Promise<ConformanceWorld<LinuxSpec>> {
  const name = `c${process.pid.toString(36)}${++worlds}`;
  const testbed = await Testbed.create({
    name,
    dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 4 }],
  });
  const dpu = testbed.dpu('dpu-1');
  const functionOf = (representor: string) => dpu.function(Number(representor.replace('pf0vf', '')));
  const routerNamespaces = (): string[] => NetworkNamespace.list(`ob-${name}-`);

  /** The only router's namespace, or the DPU's: where the object of a key stands. */
  async function at<Value>(key: string, use: (socket: NetlinkSocket) => Promise<Value>): Promise<Value> {
    const [kind = '', id = ''] = key.split('/');
    const inDpu = kind === 'link' && !id.startsWith('obb');
    const own = kind === 'namespace' ? id : inDpu ? dpu.plan.namespace : routerNamespaces()[0];
    const namespace = NetworkNamespace.open({ name: own ?? '' });
    const socket = NetlinkSocket.open({ namespace });
    namespace.close();
    try {
      return await use(socket);
    } finally {
      socket.close();
    }
  }

  async function strange(socket: NetlinkSocket, key: string): Promise<{ make: Message; remove: Message }> {
    const [kind, id = '', ...rest] = key.split('/');
    if (kind === 'link' && id.startsWith('pf')) {
      const ifname = id;
      return {
        make: link.change({ ifname, ifalias: 'somebody' }),
        remove: link.change({ ifname, ifalias: '' }),
      };
    }
    if (kind === 'link')
      return {
        make: link.create({ ifname: id, linkinfo: { kind: 'bridge' } }),
        remove: link.remove({ ifname: id }),
      };
    if (kind === 'neighbour') {
      const dst = rest[0] ?? '';
      const ndmIfindex = (await linkByName(socket, id))?.ifiIndex ?? 0;
      const where = { ndmFamily: dst.includes(':') ? AF.INET6 : AF.INET, ndmIfindex, dst };
      return {
        make: neighbour.create({ ...where, ndmState: NUD.PERMANENT, lladdr: '02:00:00:00:ff:ff' }),
        remove: neighbour.remove(where),
      };
    }
    const [dst = '', length = ''] = rest;
    const where = {
      rtmFamily: dst.includes(':') ? AF.INET6 : AF.INET,
      rtmDstLen: Number(length),
      rtmTable: RT_TABLE.MAIN,
      rtmType: RTN.BLACKHOLE,
      dst,
    };
    return { make: route.create({ ...where, rtmProtocol: RTPROT.STATIC }), remove: route.remove(where) };
  }

  return {
    open: () =>
      LinuxDriver.open({
        dpu: name,
        underlayDevice: dpu.plan.underlay.device,
        namespace: NetworkNamespace.open({ name: dpu.plan.namespace }),
      }),
    async unplug(representor) {
      await dpu.socket.send(link.remove({ ifname: representor }));
    },
    async plug(representor) {
      await dpu.hostDevice(functionOf(representor));
    },
    canBeForeign: (key) => /^(namespace|neighbour|route|link\/(obb|obv|pf))/.test(key),
    async placeForeign(key) {
      const [kind, id = ''] = key.split('/');
      if (kind === 'namespace') {
        NetworkNamespace.create(id).close();
        await at(key, (socket) => socket.send(link.change({ ifname: 'lo', ifalias: 'somebody' })));
      } else await at(key, async (socket) => socket.send((await strange(socket, key)).make));
    },
    async removeForeign(key) {
      const [kind, id = ''] = key.split('/');
      if (kind === 'namespace') NetworkNamespace.remove(id);
      else await at(key, async (socket) => socket.send((await strange(socket, key)).remove));
    },
    isForeignIntact: (key) =>
      at(key, async (socket) => {
        const [kind, id = '', ...rest] = key.split('/');
        if (kind === 'namespace') return (await linkByName(socket, 'lo'))?.ifalias === 'somebody';
        if (kind === 'link') {
          const found = await linkByName(socket, id);
          return found !== undefined && parseAlias(found.ifalias) === undefined;
        }
        if (kind === 'neighbour') {
          const all = await socket.dump(neighbour.dump());
          return all.some(({ dst, lladdr }) => dst === rest[0] && lladdr === '02:00:00:00:ff:ff');
        }
        const all = await socket.dump(route.dump());
        return all.some(
          // The kernel leaves out the destination of a default route.
          ({ dst = '0.0.0.0', rtmProtocol }) => dst === rest[0] && rtmProtocol === RTPROT.STATIC,
        );
      }),
    async [Symbol.asyncDispose]() {
      for (const own of routerNamespaces()) NetworkNamespace.remove(own);
      await testbed.dispose();
    },
  };
}

const NETWORK = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';

/** Routes to which only so much fits. */
const narrow = (mtu: number): d.Entry[] => [
  d.router(),
  d.bridgeDomain(NETWORK),
  ...['10.0.1.5', 'fd00:1::5'].map((gateway, index) =>
    d.placedRoute(
      d.ROUTER,
      ['10.24.0.0/16', 'fd00:24::/48'][index] ?? '',
      [{ gateway, weight: 1, networkUid: NETWORK }],
      { mtu },
    ),
  ),
];

/** The suite on real namespaces; its slow part is a spec of its own. */
export const linuxConformance = (part: 'quick' | 'slow'): void =>
  driverConformance('linux', linuxWorld, {
    part,
    walks: 15,
    faultStride: 11,
    more: [1300, 1400, 0].map(narrow),
  });
