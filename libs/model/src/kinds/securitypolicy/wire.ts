import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type SecurityPeerSchema,
  type SecurityPolicySpec as SecurityPolicySpecMessage,
  SecurityPolicySpecSchema,
  type SecurityPolicyStatus as SecurityPolicyStatusMessage,
  SecurityPolicyStatusSchema,
  type SecurityRuleSchema,
  type SecurityServiceSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { labelSelectorToMessage } from '../../label-selector.js';
import { parsePropagation, propagationToMessage } from '../../propagation.js';
import type {
  SecurityPeer,
  SecurityPolicySpec,
  SecurityPolicyStatus,
  SecurityRule,
  SecurityService,
} from './spec.js';

export const securityPolicySpecToMessage = (spec: SecurityPolicySpec): SecurityPolicySpecMessage =>
  create(SecurityPolicySpecSchema, {
    tier: spec.tier,
    ...(spec.priority !== undefined && { priority: spec.priority }),
    ...(spec.portSelector && { portSelector: labelSelectorToMessage(spec.portSelector) }),
    isolates: [...spec.isolates],
    ingress: spec.ingress.map(ruleToMessage),
    egress: spec.egress.map(ruleToMessage),
  });

const ruleToMessage = (rule: SecurityRule): MessageInitShape<typeof SecurityRuleSchema> => ({
  name: rule.name,
  action: rule.action,
  peers: rule.peers.map(peerToMessage),
  services: rule.services.map(serviceToMessage),
});

function peerToMessage(peer: SecurityPeer): MessageInitShape<typeof SecurityPeerSchema> {
  switch (peer.kind) {
    case 'ports':
      return { portSelector: labelSelectorToMessage(peer.selector) };
    case 'addressSet':
      return { addressSet: peer.name };
    case 'cidr':
      return { cidrBlock: { cidr: peer.cidr, except: [...peer.except] } };
  }
}

function serviceToMessage(service: SecurityService): MessageInitShape<typeof SecurityServiceSchema> {
  switch (service.protocol) {
    case 'any':
      return {};
    case 'TCP':
    case 'UDP': {
      const { protocol, ports } = service;
      if (ports === undefined) return { protocol };
      if ('name' in ports) return { protocol, portName: ports.name };
      const { first, last } = ports;
      return { protocol, port: first, ...(last !== first && { endPort: last }) };
    }
    case 'ICMP':
    case 'ICMPv6': {
      const { protocol, type, code } = service;
      return {
        protocol,
        ...(type !== undefined && { icmpType: type }),
        ...(code !== undefined && { icmpCode: code }),
      };
    }
  }
}

export const parseSecurityPolicyStatus = (
  message: SecurityPolicyStatusMessage = create(SecurityPolicyStatusSchema),
  problems: Problems,
): Omit<SecurityPolicyStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  ports: message.ports,
  dpus: message.dpus,
  propagated: parsePropagation(message.propagated, problems),
});

export const securityPolicyStatusToMessage = ({
  observedGeneration,
  ports,
  dpus,
  propagated,
}: SecurityPolicyStatus): SecurityPolicyStatusMessage =>
  create(SecurityPolicyStatusSchema, {
    observedGeneration,
    ports,
    dpus,
    ...propagationToMessage(propagated),
  });
