import { linuxPackets } from '../../test/packet-worlds.js';
import { policyFaults } from '../../test/policy-faults-suite.js';

policyFaults('linux', linuxPackets, 8);
