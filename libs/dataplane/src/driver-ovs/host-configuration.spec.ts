import { hostConfigurationPackets } from '../../test/host-configuration-suite.js';
import { ovsPackets } from '../../test/packet-worlds.js';

hostConfigurationPackets('ovs', ovsPackets);
