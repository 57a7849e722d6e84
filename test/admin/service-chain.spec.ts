import { describe, expect, it } from '@jest/globals';
import { type ListHopCountersResponse, subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { isReady } from '@outboard/model';
import { UdpFlow, waitUntil } from '@outboard/testbed';
import { PacketsSite } from '../scenarios/packets-site.js';
import { serviceChainScenario } from '../scenarios/service-chain.js';
import { isAnswered, untilAnswered } from '../scenarios/waiting.js';

/** Everything runs for real: the intents of examples/service-chains, two DPUs, and the firewall of examples/cnfs as the hop. */
describe('a service chain over a firewall, with real packets', () => {
  const world = serviceChainScenario(() => PacketsSite.open('chain'));

  const counts = async () => {
    const { acme, chain } = world;
    const subject = subjects.rpc('acme', 'network', 'servicechain', 'counters');
    const body = Buffer.from(JSON.stringify({ name: chain.metadata.name }));
    const reply = unwrap(
      await acme.bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 5_000 }),
    );
    const { items } = JSON.parse(Buffer.from(reply.body).toString()) as ListHopCountersResponse;
    return items.flatMap(({ hops = [] }) => hops.map(({ packets }) => Number(packets ?? 0)));
  };

  it('counts what its hop gets, both ways', async () => {
    const { site, hop, shop, database } = world;
    const [ip = ''] = database.addresses;
    await hop.letThrough('ICMP');
    await untilAnswered(site, shop, ip);
    await waitUntil('packets are counted both ways', async () => {
      await isAnswered(site, shop, ip);
      const counted = await counts();
      return counted.length > 1 && counted.every((packets) => packets > 3) ? undefined : counted.join(', ');
    });
  });

  it('loses nothing when it changes', async () => {
    const { site, acme, chain, chainIs, hop, shop, database } = world;
    const [ip = ''] = database.addresses;
    await hop.letThrough('UDP', 'ICMP');
    await untilAnswered(site, shop, ip);
    const flow = UdpFlow.start({ from: site.podOf(shop), to: site.podOf(database), ip });
    await flow.progress(200);
    // Out of the chain, and into it again: the flow goes on by both ways.
    await acme.delete('ServiceChain', chain.metadata.name);
    await flow.progress(200);
    await acme.apply(chain);
    await chainIs('AppliedAndReadBack');
    await flow.progress(200);
    const { lost, receiverDrops } = await flow.stop();
    expect({ lost, receiverDrops }).toEqual({ lost: 0, receiverDrops: 0 });
    expect(isReady(acme.port('shop-0')?.status.conditions ?? [])).toBe(true);
  });
});
