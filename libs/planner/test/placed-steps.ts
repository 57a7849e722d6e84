import fc from 'fast-check';
import { DPUS, NETWORKS, PORTS, steps } from './step.js';

export const PLACED = ['one', 'two', 'three'] as const;
const LLADDRS = ['02:00:00:00:00:01', '02:00:00:00:0a:01'] as const;

export const placed = fc.record({
  name: fc.constantFrom(...PLACED),
  dpus: fc.subarray([...DPUS], { maxLength: 2 }),
  object: fc.oneof(
    fc.record({
      router: fc.constantFrom('default', 'edge'),
      route: fc.oneof(
        fc.record({
          dst: fc.constantFrom('10.8.0.0/16', '10.0.0.0/29', '0.0.0.0/0', '172.20.0.0/16'),
          gateway: fc.constantFrom('10.0.0.2', '10.0.1.3', '10.77.0.1'),
        }),
        fc.record({
          dst: fc.constant('172.20.0.0/16'),
          rtmType: fc.constantFrom('unreachable', 'blackhole'),
        }),
        fc.record({
          dst: fc.constant('172.21.0.0/16'),
          multipath: fc.constant([{ gateway: '10.0.0.2', rtnhHops: 1 }, { gateway: '10.0.1.2' }]),
        }),
      ),
    }),
    fc.record({
      network: fc.constantFrom(...NETWORKS),
      neigh: fc.record({
        dst: fc.constantFrom('10.0.0.2', '10.0.0.6', '10.0.1.3', '192.168.7.1'),
        lladdr: fc.constantFrom(...LLADDRS),
      }),
    }),
    fc.record({
      network: fc.constantFrom(...NETWORKS),
      port: fc.constantFrom(...PORTS),
      fdb: fc.record({ lladdr: fc.constantFrom(...LLADDRS) }),
    }),
    fc.record({
      network: fc.constantFrom(...NETWORKS),
      addr: fc.record({
        address: fc.constantFrom('10.0.0.5', '192.168.7.1'),
        ifaPrefixlen: fc.constantFrom(24, 29),
      }),
    }),
  ),
});

export const placedStep = steps('netlinkObject', placed, (lab, { name, dpus, object }) => {
  lab.tryApply('NetlinkObject', name, { dpus, ...object });
});
