import { type Message, qdisc, TC_H } from '@outboard/netlink';

const INGRESS_HANDLE = 0xffff0000;

/**
 * What filters of everything that comes in by a device are attached to. Not clsact, which is the same and a place for
 * filters of what goes out: for each such place the kernel searches all that the machine has (flow_indr_dev_setup_offload).
 *
 * It is made as early as can be, and while its device is down: on one that is up, the kernel waits until no packet sees
 * what was there before, and so it does at a filter for a qdisc that was only just made (mini_qdisc_pair_swap).
 */
export const ingressQdisc = (ifindex: number): Message =>
  qdisc.create({ ifindex, handle: INGRESS_HANDLE, parent: TC_H.INGRESS, kind: 'ingress' });

/** There is one, whoever made it. */
export const INGRESS_EXISTS = ['EEXIST'];

/** True for the qdiscs that have a place for filters of what comes in. */
export const takesFilters = (kind: string | undefined): boolean => kind === 'ingress' || kind === 'clsact';
