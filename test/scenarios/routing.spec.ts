import { describe } from '@jest/globals';
import { AF, NetlinkSocket, route } from '@outboard/netlink';
import { PacketsSite } from './packets-site.js';
import { type RoutingWorld, routingScenario } from './routing.js';
import { untilAnswered } from './waiting.js';

/** A route that is lost in the kernel is repaired. */
async function placed({ site, podOf }: RoutingWorld<PacketsSite>): Promise<void> {
  const { machine } = site.stack.testbed.dpu('dpu-a');
  const router = (await machine.namespaces()).find((each) => each.includes('acme-shop')) ?? '';
  const namespace = await machine.openNamespace(router);
  const socket = NetlinkSocket.open({ namespace });
  const where = { rtmFamily: AF.INET, rtmDstLen: 17, rtmTable: 254, dst: '10.8.128.0' };
  await socket.batch([route.remove(where)]);
  socket.close();
  namespace.close();
  await untilAnswered(site, podOf('acme-shop-web'), '10.8.128.1');
}

describe('the networks of a router, with real packets', () => {
  routingScenario(() => PacketsSite.open('routing'), { placed });
});
