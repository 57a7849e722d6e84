import { ovsPackets } from '../../libs/dataplane/test/packet-worlds.js';
import { serviceChainPackets } from '../../libs/dataplane/test/service-chain-suite.js';

// With the kernel it is a test of libs/dataplane.
serviceChainPackets('ovs', ovsPackets, (dpu, world) => world.wipe(dpu));
