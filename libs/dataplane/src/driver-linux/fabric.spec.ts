import { fabricPackets } from '../../test/fabric-suite.js';
import { linuxPackets } from '../../test/packet-worlds.js';

fabricPackets('linux', linuxPackets, 'FLAT');
