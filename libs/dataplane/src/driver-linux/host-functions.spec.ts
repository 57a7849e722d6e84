import { hostFunctions } from '../../test/host-functions-suite.js';
import { linuxPackets } from '../../test/packet-worlds.js';

hostFunctions('linux', linuxPackets);
