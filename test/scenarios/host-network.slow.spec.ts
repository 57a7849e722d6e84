import { describe } from '@jest/globals';
import { hostNetworkScenario } from './host-network.js';
import { PacketsSite } from './packets-site.js';

describe('hosts with a port on their own PF, one DPU on the kernel and one on Open vSwitch, with real packets', () => {
  hostNetworkScenario(() => PacketsSite.open('host-network', { 'dpu-a': 'linux', 'dpu-b': 'ovs' }));
});
