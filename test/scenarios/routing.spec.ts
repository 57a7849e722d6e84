import { describe, expect, it } from '@jest/globals';
import { AF, NetlinkSocket, route } from '@outboard/netlink';
import { EchoServer, tcpEcho } from '@outboard/testbed';
import { PacketsSite } from './packets-site.js';
import { type RoutingWorld, routingScenario } from './routing.js';
import { untilAnswered, untilSilent } from './waiting.js';

const SERVER = { ip: '10.254.0.250', port: 7001 };

/** What is beyond the way out answers there. */
function out(world: RoutingWorld<PacketsSite>): void {
  it('have a way out, on which both tenants are seen as the DPU that they leave from', async () => {
    const { site, podOf } = world;
    await world.routerIsReady(1);
    await site.stack.testbed.addFabricAddress('underlay', SERVER.ip, 24);
    const server = await EchoServer.listen(site.stack.testbed.fabric, SERVER.port);
    const outcomes = await Promise.all(
      ['acme-shop-web', 'globex-shop-web', 'acme-shop-db'].map((name) =>
        tcpEcho(site.podOf(podOf(name)), SERVER),
      ),
    );
    const clients = outcomes.map((outcome) => (outcome.kind === 'echoed' ? outcome.client.ip : outcome));
    server[Symbol.dispose]();
    expect(clients).toEqual(['10.254.0.1', '10.254.0.1', '10.254.0.2']);
  });
}

async function closed({ site, podOf }: RoutingWorld<PacketsSite>): Promise<void> {
  await untilSilent(site, podOf('acme-shop-web'), SERVER.ip);
  await untilAnswered(site, podOf('globex-shop-web'), SERVER.ip);
}

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
  routingScenario(() => PacketsSite.open('routing'), { out, closed, placed });
});
