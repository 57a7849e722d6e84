/**
 * A bridge with a VXLAN port and a pod's veth, in namespaces of its own: what a DPU does for one pod. One batch creates
 * everything, one dump shows it.
 */
import {
  AF,
  address,
  link,
  NetlinkSocket,
  NetworkNamespace,
  NTF,
  NUD,
  neighbour,
  setUp,
  upFlags,
} from '@outboard/netlink';

const names = [`obex${process.pid}dpu`, `obex${process.pid}pod`] as const;
const [dpu, pod] = names.map((name) => NetworkNamespace.create(name)) as [NetworkNamespace, NetworkNamespace];
const socket = NetlinkSocket.open({ namespace: dpu });
const inside = NetlinkSocket.open({ namespace: pod });
try {
  const { failures } = await socket.batch([
    link.create({ ifname: 'br1001', ifiIndex: 10, linkinfo: { kind: 'bridge' }, ...upFlags() }),
    link.create({
      ifname: 'vx1001',
      ifiIndex: 11,
      master: 10,
      linkinfo: { kind: 'vxlan', data: { id: 1001, local: '10.254.0.1', port: 4789, learning: false } },
      ...upFlags(),
    }),
    // Settings of a bridge port are taken only once the device is there.
    link.change({
      ifiIndex: 11,
      linkinfo: { slaveKind: 'bridge', slaveData: { learning: false, neighSuppress: true } },
    }),
    // The peer is created inside the pod: moving it there later would block for 20 ms.
    link.create({
      ifname: 'pf0vf3',
      ifiIndex: 12,
      master: 10,
      linkinfo: {
        kind: 'veth',
        data: {
          peer: { ifname: 'eth0', ifiIndex: 2, address: '02:00:5e:00:10:05', netNsFd: pod.descriptor },
        },
      },
      ...upFlags(),
    }),
    // A pod behind another DPU: its MAC behind that VTEP, and its address, so that ARP is answered here.
    neighbour.replace({
      ndmFamily: AF.BRIDGE,
      ndmIfindex: 11,
      ndmState: NUD.PERMANENT,
      ndmFlags: NTF.SELF,
      lladdr: '02:00:5e:00:10:06',
      dst: '10.254.0.2',
    }),
    neighbour.replace({
      ndmFamily: AF.INET,
      ndmIfindex: 10,
      ndmState: NUD.PERMANENT,
      dst: '10.0.1.6',
      lladdr: '02:00:5e:00:10:06',
      protocol: 200,
    }),
  ]);
  console.log('failures:', failures);

  await inside.batch([
    setUp(2),
    address.create({
      ifaFamily: AF.INET,
      ifaPrefixlen: 24,
      ifaIndex: 2,
      local: '10.0.1.5',
      address: '10.0.1.5',
    }),
  ]);

  for (const { ifname, master, linkinfo } of await socket.dump(link.dump())) {
    console.log(ifname, linkinfo?.kind ?? '-', master === 10 ? 'in br1001' : '');
  }
} finally {
  socket.close();
  inside.close();
  dpu.close();
  pod.close();
  for (const name of names) NetworkNamespace.remove(name);
}
