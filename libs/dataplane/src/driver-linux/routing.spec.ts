import { linuxPackets } from '../../test/packet-worlds.js';
import { routerPackets } from '../../test/routing-suite.js';

routerPackets('linux', linuxPackets, (lab, dpu, router) => lab.namespaceOf(dpu, router));
