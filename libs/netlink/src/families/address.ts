import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { struct } from '../codec/layout.js';
import { ip, s32, string, u8, u32 } from '../codec/scalars.js';

/** Bits of the attribute `flags` (linux/if_addr.h). */
export const IFA_F = {
  NODAD: 0x2,
  DADFAILED: 0x8,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
  NOPREFIXROUTE: 0x200,
} as const;

/** Addresses of devices (RTM_NEWADDR and its kin). IPv4 wants `local` and `address` alike, IPv6 `address`. */
export const address = defineFamily({
  name: 'address',
  protocol: 'route',
  header: { ifaFamily: 'u8', ifaPrefixlen: 'u8', ifaFlags: 'u8', ifaScope: 'u8', ifaIndex: 'u32' },
  attributes: {
    address: [1, ip],
    local: [2, ip],
    label: [3, string],
    broadcast: [4, ip],
    anycast: [5, ip],
    cacheinfo: [6, struct({ ifaPrefered: 'u32', ifaValid: 'u32', cstamp: 'u32', tstamp: 'u32' })],
    multicast: [7, ip],
    flags: [8, u32],
    rtPriority: [9, u32],
    targetNetnsid: [10, s32],
    proto: [11, u8],
  },
  operations: { new: 20, delete: 21, get: 22 },
});

export type AddressInput = InputOf<typeof address>;
export type Address = OutputOf<typeof address>;
