import { ovsPackets } from '../../test/packet-worlds.js';
import { driverPackets } from '../../test/packets-suite.js';

driverPackets('ovs with GENEVE', ovsPackets, 'GENEVE');
