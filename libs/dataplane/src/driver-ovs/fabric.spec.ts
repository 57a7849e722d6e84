import { fabricPackets } from '../../test/fabric-suite.js';
import { ovsPackets } from '../../test/packet-worlds.js';

fabricPackets('ovs', ovsPackets, 'FLAT');
fabricPackets('ovs', ovsPackets, 'VLAN');
