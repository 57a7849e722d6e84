import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '@outboard/testbed';
import { addressesScenario } from './addresses.js';
import { encapsulationScenario } from './encapsulation.js';
import { FramesSite } from './frames-site.js';
import { hostNetworkScenario } from './host-network.js';
import { port } from './manifests.js';
import { overlayScenario } from './overlay.js';
import { policiesScenario } from './policies.js';
import { routingScenario } from './routing.js';
import { serviceChainScenario } from './service-chain.js';
import { trunksScenario } from './trunks.js';
import { untilAnswered } from './waiting.js';

// What needs no real kernel takes place in this process, too, from the same text as with real packets.

describe('an overlay of two DPUs, with simulated frames', () => {
  overlayScenario(FramesSite.open);
});

describe('the networks of a router, with simulated frames', () => {
  routingScenario(FramesSite.open);
});

describe('security policies, with simulated frames', () => {
  policiesScenario(FramesSite.open);
});

describe('addresses, with simulated frames', () => {
  addressesScenario(FramesSite.open);
});

describe('a network admin who wants GENEVE for all, and lets workloads ask for VLAN in a range, with simulated frames', () => {
  encapsulationScenario(FramesSite.open);
});

describe('a service chain over a firewall, with simulated frames', () => {
  serviceChainScenario(FramesSite.open);
});

describe('hosts with a port on their own PF, with simulated frames', () => {
  hostNetworkScenario(FramesSite.open);
});

describe('ports that are VLANs of another, with simulated frames', () => {
  const world = trunksScenario(FramesSite.open);

  it('goes with its parent to another DPU: its addresses stay, and are reached there', async () => {
    const { acme, site, podOf } = world;
    const [own = ''] = podOf('cnf-0-red').addresses;
    for (const name of ['cnf-0-red', 'cnf-0']) await site.detach(podOf(name));
    await acme.apply(port('cnf-0', 'dpu-b', 4));
    await waitUntil('both are on dpu-b and ready', () =>
      ['cnf-0', 'cnf-0-red'].every((name) => {
        const { dpu, conditions = [] } = acme.port(name)?.status ?? {};
        const ready = conditions.find(({ type }) => type === 'Applied');
        return dpu === 'dpu-b' && ready?.status === 'True';
      })
        ? undefined
        : 'they are not',
    );
    for (const name of ['cnf-0-red', 'cnf-0']) {
      const moved = acme.port(name);
      if (moved) await site.attach(podOf(name), moved);
    }
    expect(acme.port('cnf-0-red')?.status.addresses).toMatchObject([{ ip: own }]);
    for (const from of ['red-a', 'red-b']) await untilAnswered(site, podOf(from), own);
    await untilAnswered(site, podOf('blue-b'), podOf('cnf-0').addresses[0] ?? '');
  });
});
