import { linuxPackets } from '../../test/packet-worlds.js';
import { driverPackets } from '../../test/packets-suite.js';

driverPackets('linux', linuxPackets);
