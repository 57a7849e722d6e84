import { EgressPackets } from '../../test/egress-packets.js';
import { egressPackets } from '../../test/egress-suite.js';
import { linuxPackets } from '../../test/packet-worlds.js';

egressPackets('linux', () => EgressPackets.open(linuxPackets));
