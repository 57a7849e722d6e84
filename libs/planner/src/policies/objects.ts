import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  objectKeys,
  type RulePeerSchema,
  type RuleSchema,
  type RuleServiceSchema,
} from '@outboard/contracts';
import type { SharedObject } from '@outboard/document-owner/documents';
import {
  addressOrPrefix,
  type IpPrefix,
  type Name,
  type Port,
  type SecurityPeer,
  type SecurityPolicy,
  type SecurityRule,
  type SecurityService,
} from '@outboard/model';
import type { GroupEntry } from '../entries.js';
import { destinationPort, PROTOCOL_NUMBERS } from '../objects.js';
import { share } from '../share.js';

type Source = Parameters<typeof share>[2];

/** A policy in a router; `groupOf` gives the id of the group that a peer names. */
export function ruleSetObject(
  policy: SecurityPolicy,
  router: Name,
  groupOf: (peer: SecurityPeer) => GroupEntry | undefined,
): SharedObject {
  const { metadata, spec } = policy;
  const rule = ({ name, action, peers, services }: SecurityRule): MessageInitShape<typeof RuleSchema> => ({
    name,
    action,
    peers: peers.map((peer) => peerOf(peer, router, groupOf)),
    // What allows everything makes the others idle.
    services: services.some(({ protocol }) => protocol === 'any') ? [] : services.map(serviceOf),
  });
  return share(objectKeys.ruleSet(metadata.uid, router), 'SecurityPolicy', policy, {
    case: 'ruleSet',
    value: {
      policyUid: metadata.uid,
      router: objectKeys.router(metadata.tenant, router),
      tier: spec.tier,
      ingress: spec.ingress.map(rule),
      egress: spec.egress.map(rule),
    },
  });
}

function peerOf(
  peer: SecurityPeer,
  router: Name,
  groupOf: (peer: SecurityPeer) => GroupEntry | undefined,
): MessageInitShape<typeof RulePeerSchema> {
  if (peer.kind === 'cidr') {
    return { peer: { case: 'cidr', value: { prefix: peer.cidr, except: [...peer.except] } } };
  }
  const group = groupOf(peer);
  if (!group) throw new Error('a group of a policy is known');
  return { peer: { case: 'addressGroup', value: keyOf(group, router) } };
}

function serviceOf(service: SecurityService): MessageInitShape<typeof RuleServiceSchema> {
  switch (service.protocol) {
    case 'any':
      return {};
    case 'TCP':
    case 'UDP': {
      const { ports } = service;
      const protocol = PROTOCOL_NUMBERS[service.protocol];
      if (ports === undefined) return { protocol };
      return 'name' in ports
        ? { protocol, portName: ports.name }
        : { protocol, firstPort: ports.first, lastPort: ports.last };
    }
    case 'ICMP':
    case 'ICMPv6': {
      const { type, code } = service;
      return {
        protocol: PROTOCOL_NUMBERS[service.protocol],
        ...(type !== undefined && { icmpType: type }),
        ...(code !== undefined && { icmpCode: code }),
      };
    }
  }
}

const keyOf = ({ tenant, id }: GroupEntry, router: Name): string =>
  objectKeys.addressGroup(tenant, router, id);

/** A group in a router. It is told of in the name of the address set, or of the router, as many policies may mean it. */
export const groupObject = (group: GroupEntry, router: Name): SharedObject =>
  share(keyOf(group, router), group.addressSet ? 'AddressSet' : 'Router', sourceOf(group, router), {
    case: 'addressGroup',
    value: { router: objectKeys.router(group.tenant, router), prefixes: group.addressSet !== undefined },
  });

const sourceOf = ({ addressSet, tenant }: GroupEntry, router: Name): Source =>
  addressSet?.record.resource ?? { metadata: { tenant, name: router } };

/** The port as a member of a group: one object per address. */
export const portMembers = (group: GroupEntry, router: Name, port: Port): readonly SharedObject[] =>
  port.status.addresses.map(({ ip }) =>
    share(objectKeys.addressGroupMember(group.tenant, router, group.id, ip), 'Port', port, {
      case: 'addressGroupMember',
      value: {
        addressGroup: keyOf(group, router),
        address: ip,
        namedPorts: port.spec.namedPorts.map(destinationPort),
      },
    }),
  );

export const prefixMember = (group: GroupEntry, router: Name, prefix: IpPrefix): SharedObject => {
  const address = addressOrPrefix(prefix);
  return share(
    objectKeys.addressGroupMember(group.tenant, router, group.id, address),
    'AddressSet',
    sourceOf(group, router),
    { case: 'addressGroupMember', value: { addressGroup: keyOf(group, router), address } },
  );
};
