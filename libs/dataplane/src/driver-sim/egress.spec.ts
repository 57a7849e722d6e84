import { EgressFrames } from '../../test/egress-frames.js';
import { egressPackets } from '../../test/egress-suite.js';

egressPackets('sim', async () => EgressFrames.open());
