/**
 * 10,000 routes in one call, some of them wrong: each failure is told with its place and the kernel's text, the others
 * stand. Addresses may be numbers, which saves making and parsing strings.
 */
import { AF, address, link, NetlinkSocket, NetworkNamespace, RTN, route, upFlags } from '@outboard/netlink';

const name = `obex${process.pid}`;
const namespace = NetworkNamespace.create(name);
const socket = NetlinkSocket.open({ namespace });
try {
  await socket.batch([
    link.create({ ifname: 'br0', ifiIndex: 2, linkinfo: { kind: 'bridge' }, ...upFlags() }),
    address.create({
      ifaFamily: AF.INET,
      ifaPrefixlen: 24,
      ifaIndex: 2,
      local: '10.0.0.1',
      address: '10.0.0.1',
    }),
  ]);

  const firstDestination = 0x0b000000; // 11.0.0.0
  const routes = Array.from({ length: 10_000 }, (_, index) =>
    route.replace({
      rtmFamily: AF.INET,
      rtmDstLen: 32,
      rtmTable: 254,
      rtmProtocol: 200,
      rtmType: RTN.UNICAST,
      dst: firstDestination + index,
      gateway: index === 4321 ? '172.16.0.1' : '10.0.0.9',
    }),
  );
  const { total, failures } = await socket.batch(routes);
  console.log(`${total - failures.length} of ${total} installed`);
  for (const { index, code, message } of failures) console.log(`route ${index}: ${code} ${message}`);

  const installed = await socket.dump(route.dump({ rtmFamily: AF.INET, rtmProtocol: 200 }));
  console.log(
    `${installed.length} found, the last is ${installed.at(-1)?.dst} via ${installed.at(-1)?.gateway}`,
  );
} finally {
  socket.close();
  namespace.close();
  NetworkNamespace.remove(name);
}
