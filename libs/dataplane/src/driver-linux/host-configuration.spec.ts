import { hostConfigurationPackets } from '../../test/host-configuration-suite.js';
import { linuxPackets } from '../../test/packet-worlds.js';

hostConfigurationPackets('linux', linuxPackets);
