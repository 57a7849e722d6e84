import { describe, expect, it } from '@jest/globals';
import { ping } from '@outboard/testbed';
import { encapsulationScenario } from './encapsulation.js';
import { PacketsSite } from './packets-site.js';

describe('a network admin who wants GENEVE for all, and lets workloads ask for VLAN in a range, with real packets', () => {
  const world = encapsulationScenario(() =>
    PacketsSite.open('encapsulation', 'ovs', { providerNetwork: true }),
  );

  it('has frames in a VLAN as large as the fabric takes', async () => {
    const { site, podOf } = world;
    const whole = { doNotFragment: true, payloadBytes: 1500 - 28 };
    const [ip = ''] = podOf('rack-b').addresses;
    expect(await ping(site.podOf(podOf('rack-a')), ip, whole)).toMatchObject({ received: 1 });
  });
});
