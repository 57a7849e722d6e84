/**
 * Drift: an observer that notices within a millisecond what somebody changed behind its back. It ends by process.exit
 * while the monitor is open, which must not hang.
 */
import { link, NetlinkMonitor, NetlinkSocket, NetworkNamespace } from '@outboard/netlink';

const name = `obex${process.pid}`;
const namespace = NetworkNamespace.create(name);
process.on('exit', () => NetworkNamespace.remove(name));

NetlinkMonitor.open({
  namespace,
  groups: ['link', 'ipv4Route', 'neigh'],
  onEvents: (events) => {
    for (const event of events) {
      if (event.family !== 'link') continue;
      console.log(event.operation, event.value.ifname);
      if (event.operation === 'delete') process.exit(0);
    }
  },
  onOverrun: (cause) => {
    console.log('events were lost, observe again:', cause.message);
  },
});

const socket = NetlinkSocket.open({ namespace });
await socket.send(link.create({ ifname: 'intruder', linkinfo: { kind: 'bridge' } }));
await socket.batchOffThread([link.remove({ ifname: 'intruder' })]);
