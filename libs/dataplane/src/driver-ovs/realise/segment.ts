import { shortIdentity } from './ovs-objects.js';

/** The tunnel port that a network's packets take to other DPUs, and their identifier there. */
export interface Tunnel {
  readonly port: string;
  readonly vni: number;
}

/** What members of a network need to know of it. */
export interface Segment {
  readonly networkUid: string;
  /** Stands for the network in every packet of it. */
  readonly metadata: string;
  /** The same for its router. */
  readonly router: string;
  readonly mtu: number;
  /** Undefined: the network is on a device of the DPU. */
  readonly tunnel: Tunnel | undefined;
}

/** The group of all who get what is for all. */
export const floodGroup = ({ networkUid }: Segment): number => shortIdentity('flood', networkUid);
/** The group of those who may have a MAC address that several may have. */
export const sharedGroup = ({ networkUid }: Segment, mac: string): number =>
  shortIdentity('shared', networkUid, mac);
