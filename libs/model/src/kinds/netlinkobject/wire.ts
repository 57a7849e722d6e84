import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type NetlinkObjectSpec as NetlinkObjectSpecMessage,
  NetlinkObjectSpecSchema,
  type NetlinkObjectStatus as NetlinkObjectStatusMessage,
  NetlinkObjectStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { parseDpuProblems } from '../router/wire.js';
import type { NetlinkObjectSpec, NetlinkObjectStatus, NetlinkRoute } from './spec.js';

export const netlinkObjectSpecToMessage = ({ object, dpus }: NetlinkObjectSpec): NetlinkObjectSpecMessage =>
  create(NetlinkObjectSpecSchema, { dpus: [...dpus], ...objectToMessage(object) });

function objectToMessage(
  object: NetlinkObjectSpec['object'],
): MessageInitShape<typeof NetlinkObjectSpecSchema> {
  switch (object.kind) {
    case 'route':
      return { router: object.router, route: { dst: object.dst, ...waysOf(object) } };
    case 'neigh':
      return { network: object.network, neigh: { dst: object.dst, lladdr: object.lladdr } };
    case 'fdb':
      return { network: object.network, port: object.port, fdb: { lladdr: object.lladdr } };
    case 'addr':
      return {
        network: object.network,
        addr: { address: object.address, ifaPrefixlen: object.prefixLength },
      };
  }
}

function waysOf({ nextHops, rtmType, mtu }: NetlinkRoute) {
  const [only, ...others] = nextHops;
  if (only === undefined) return { rtmType: rtmType ?? '' };
  const metrics = mtu === undefined ? {} : { metrics: { mtu } };
  if (others.length === 0) return { gateway: only.address, ...metrics };
  const multipath = nextHops.map(({ address, weight }) => ({ gateway: address, rtnhHops: weight - 1 }));
  return { multipath, ...metrics };
}

export function parseNetlinkObjectStatus(
  message: NetlinkObjectStatusMessage = create(NetlinkObjectStatusSchema),
  problems: Problems,
): Omit<NetlinkObjectStatus, 'conditions'> | undefined {
  const dpuProblems = parseDpuProblems(message.problems, problems);
  const { observedGeneration, dpus } = message;
  return dpuProblems && { observedGeneration, dpus, problems: dpuProblems };
}

export const netlinkObjectStatusToMessage = ({
  observedGeneration,
  dpus,
  problems,
}: NetlinkObjectStatus): NetlinkObjectStatusMessage =>
  create(NetlinkObjectStatusSchema, {
    observedGeneration,
    dpus,
    problems: problems.map((problem) => ({ ...problem })),
  });
