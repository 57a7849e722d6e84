import { linuxPackets } from '../../test/packet-worlds.js';
import { serviceChainPackets } from '../../test/service-chain-suite.js';

serviceChainPackets('linux', linuxPackets);
