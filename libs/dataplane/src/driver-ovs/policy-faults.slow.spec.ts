import { ovsPackets } from '../../test/packet-worlds.js';
import { policyFaults } from '../../test/policy-faults-suite.js';

policyFaults('ovs', ovsPackets, 131);
