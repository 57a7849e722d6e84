import { linuxPackets } from '../../test/packet-worlds.js';
import { policyCases, policyChanges } from '../../test/policies-suite.js';
import { routedPolicies } from '../../test/routed-policies-suite.js';

policyCases('linux', linuxPackets);
policyChanges('linux', linuxPackets);
routedPolicies('linux', linuxPackets);
