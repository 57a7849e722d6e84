import { type Address, AF, address, IFA_F, type Message, RT_SCOPE } from '@outboard/netlink';
import type { AddressSetting } from './settings.js';

/** Of the flags of an address, those that somebody has set. */
const SET_FLAGS = IFA_F.NODAD | IFA_F.NOPREFIXROUTE;

/** Undefined for those that the kernel makes itself: link-local ones, loopback, and those of router advertisements. */
export function addressSettingOf(
  message: Address,
  nameAt: (index: number) => string,
): AddressSetting | undefined {
  const { ifaFamily, ifaIndex, ifaPrefixlen, ifaScope, local, label, broadcast } = message;
  const own = local ?? message.address;
  const flags = message.flags ?? message.ifaFlags;
  const isMadeByKernel = ifaFamily === AF.INET6 && (flags & IFA_F.PERMANENT) === 0;
  const isLinkLocal = ifaScope === RT_SCOPE.LINK || ifaScope === RT_SCOPE.HOST;
  if (own === undefined || isMadeByKernel || isLinkLocal) return undefined;
  const device = nameAt(ifaIndex);
  const isLookedFor = (flags & IFA_F.TENTATIVE) !== 0;
  const isFound = (flags & IFA_F.DADFAILED) !== 0;
  const peer = local !== undefined && message.address !== local ? message.address : undefined;
  return {
    kind: 'address',
    device,
    address: `${own}/${ifaPrefixlen}`,
    ...(isFound ? { duplicates: 'FOUND' } : isLookedFor && { duplicates: 'LOOKED_FOR' }),
    attributes: {
      flags: flags & SET_FLAGS,
      scope: ifaScope,
      ...(peer !== undefined && { peer }),
      ...(label !== undefined && label !== device && { label }),
      ...(broadcast !== undefined && { broadcast }),
    },
  };
}

export function addressMessageOf(
  action: 'set' | 'remove',
  { address: text, attributes }: AddressSetting,
  ifaIndex: number,
): Message {
  const slash = text.indexOf('/');
  const own = text.slice(0, slash);
  const isIpv6 = own.includes(':');
  const peer = attributes?.peer;
  const body = {
    ifaFamily: isIpv6 ? AF.INET6 : AF.INET,
    ifaPrefixlen: Number(text.slice(slash + 1)),
    ifaIndex,
    address: peer ?? own,
    ...(isIpv6 && peer === undefined ? {} : { local: own }),
  };
  if (action === 'remove') return address.remove(body);
  const { flags = 0, scope = RT_SCOPE.UNIVERSE, label, broadcast } = attributes ?? {};
  return address.replace({
    ...body,
    ifaScope: scope,
    ...(flags !== 0 && { flags }),
    ...(label !== undefined && { label }),
    ...(broadcast !== undefined && { broadcast }),
  });
}
