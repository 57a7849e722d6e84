import { expect } from '@jest/globals';
import { AF, address, link, type NetlinkSocket, setUp, upFlags } from '../src/index.js';

/** A bridge br0 (2) that is up and has 10.0.0.1/24. */
export async function withBridge(own: NetlinkSocket): Promise<void> {
  const { failures } = await own.batch([
    setUp(1),
    link.create({ ifname: 'br0', ifiIndex: 2, linkinfo: { kind: 'bridge' }, ...upFlags() }),
    address.create({
      ifaFamily: AF.INET,
      ifaPrefixlen: 24,
      ifaIndex: 2,
      local: '10.0.0.1',
      address: '10.0.0.1',
    }),
  ]);
  expect(failures).toEqual([]);
}
