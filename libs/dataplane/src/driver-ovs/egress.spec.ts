import { EgressPackets } from '../../test/egress-packets.js';
import { egressPackets } from '../../test/egress-suite.js';
import { ovsPackets } from '../../test/packet-worlds.js';
import { UNDERLAY_BRIDGE } from './realise/ovs-objects.js';

egressPackets('ovs', () => EgressPackets.open(ovsPackets, { forwarder: UNDERLAY_BRIDGE }));
