import { describe, expect, it } from '@jest/globals';
import { ping } from '@outboard/testbed';
import { PacketsSite } from './packets-site.js';
import { trunksScenario } from './trunks.js';

describe('ports that are VLANs of another, with real packets', () => {
  const world = trunksScenario(() => PacketsSite.open('trunks', 'ovs'));

  it('carries packets of the announced MTU with their tag, and none that are larger', async () => {
    const { site, acme, podOf } = world;
    const [from, to] = [site.podOf(podOf('cnf-0-red')), podOf('red-b').addresses[0] ?? ''];
    const mtu = acme.port('cnf-0-red')?.status.mtu ?? 0;
    expect(mtu).toBe(1450);
    const options = { doNotFragment: true };
    expect((await ping(from, to, { ...options, payloadBytes: mtu - 28 })).received).toBe(1);
    expect((await ping(from, to, { ...options, payloadBytes: mtu - 27 })).received).toBe(0);
  });
});
