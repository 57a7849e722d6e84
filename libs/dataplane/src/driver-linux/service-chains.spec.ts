import { execFileSync } from 'node:child_process';
import { linuxPackets } from '../../test/packet-worlds.js';
import { serviceChainPackets } from '../../test/service-chain-suite.js';
import { STEERING_PRIORITIES } from '../realise/linux-keys.js';

serviceChainPackets('linux', linuxPackets, ({ plan: { namespace } }) => {
  const priority = `${STEERING_PRIORITIES.steering}`;
  execFileSync('tc', ['-n', namespace, 'filter', 'del', 'dev', 'pf0vf0', 'ingress', 'pref', priority]);
});
