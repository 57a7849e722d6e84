import { bandwidthPackets } from '../../test/bandwidth-suite.js';
import { linuxPackets } from '../../test/packet-worlds.js';

bandwidthPackets('linux', linuxPackets);
