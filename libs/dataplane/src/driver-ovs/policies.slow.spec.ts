import { ovsPackets } from '../../test/packet-worlds.js';
import { policyCases, policyChanges } from '../../test/policies-suite.js';
import { routedPolicies } from '../../test/routed-policies-suite.js';

policyCases('ovs', ovsPackets);
policyChanges('ovs', ovsPackets);
routedPolicies('ovs', ovsPackets);
