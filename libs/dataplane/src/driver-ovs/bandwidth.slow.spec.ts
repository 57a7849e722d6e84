import { bandwidthPackets } from '../../test/bandwidth-suite.js';
import { ovsPackets } from '../../test/packet-worlds.js';

bandwidthPackets('ovs', ovsPackets);
