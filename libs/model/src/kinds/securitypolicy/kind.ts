import { type SecurityPolicy as SecurityPolicyMessage, SecurityPolicySchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { SECURITY_POLICY_REASONS } from './conditions.js';
import { parseSecurityPolicySpec } from './parse.js';
import { SECURITY_POLICY_SELECTABLE, securityPolicyIndexes, securityPolicyReferences } from './references.js';
import type { SecurityPolicy } from './spec.js';
import {
  parseSecurityPolicyStatus,
  securityPolicySpecToMessage,
  securityPolicyStatusToMessage,
} from './wire.js';

export const securityPolicyKind = {
  kind: 'SecurityPolicy',
  api: 'network',
  scope: 'tenant',
  summary:
    'Which connections ports may open and accept (Kubernetes: NetworkPolicy, AdminNetworkPolicy; Neutron: security group).',
  rules: [
    'A connection needs both: the port that opens it may (egress), and the port that accepts it may (ingress). Answers belong to their connection.',
    'Policies of tier ADMIN are asked first, the lowest priority before others (equal ones by name): ALLOW and DENY are final, PASS goes on to DEFAULT. If none decides, policies of tier DEFAULT add up: what one allows is allowed, and a port that one of them isolates is denied everything else. Only for a port that none isolates policies of tier BASELINE are asked, by priority. What nobody decides is allowed.',
    'A change also counts for connections that are under way: what is not allowed any more ends.',
    'Neighbour discovery, and what a port needs for it, is always allowed; ARP is not subject to policies.',
    'At most 512 pairs of a peer and a service in all rules of a policy. At most 256 policies apply to a port.',
  ],
  schema: SecurityPolicySchema,
  reasons: SECURITY_POLICY_REASONS,
  immutable: [],
  selectable: SECURITY_POLICY_SELECTABLE,
  emptyStatus: { observedGeneration: 0, ports: 0, dpus: 0, propagated: undefined, conditions: [] },
  parseSpec: parseSecurityPolicySpec,
  specToMessage: securityPolicySpecToMessage,
  parseStatus: parseSecurityPolicyStatus,
  statusToMessage: securityPolicyStatusToMessage,
  references: securityPolicyReferences,
  indexes: securityPolicyIndexes,
} satisfies Kind<SecurityPolicy, SecurityPolicyMessage>;
