import { offloadTruth } from '../../test/offload-suite.js';
import { ovsPackets } from '../../test/packet-worlds.js';

offloadTruth('ovs', ovsPackets, 'flow');
