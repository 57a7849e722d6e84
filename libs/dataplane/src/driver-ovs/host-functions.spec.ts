import { hostFunctions } from '../../test/host-functions-suite.js';
import { ovsPackets } from '../../test/packet-worlds.js';

hostFunctions('ovs', ovsPackets);
