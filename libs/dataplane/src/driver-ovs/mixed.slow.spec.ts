import { mixedPackets } from '../../test/packet-worlds.js';
import { driverPackets } from '../../test/packets-suite.js';
import { policyCases } from '../../test/policies-suite.js';
import { routedPolicies } from '../../test/routed-policies-suite.js';

driverPackets('linux and ovs', mixedPackets);
policyCases('linux and ovs', mixedPackets);
routedPolicies('linux and ovs', mixedPackets);
