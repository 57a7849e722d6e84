import { ovsPackets } from '../../test/packet-worlds.js';
import { routerPackets } from '../../test/routing-suite.js';

routerPackets('ovs', ovsPackets);
