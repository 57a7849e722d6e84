import {
  type EncapsulationPolicy as EncapsulationPolicyMessage,
  EncapsulationPolicySchema,
} from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { ENCAPSULATION_POLICY_REASONS } from './conditions.js';
import { parseEncapsulationPolicySpec } from './parse.js';
import {
  ENCAPSULATION_POLICY_SELECTABLE,
  encapsulationPolicyIndexes,
  encapsulationPolicyReferences,
} from './references.js';
import type { EncapsulationPolicy } from './spec.js';
import {
  encapsulationPolicySpecToMessage,
  encapsulationPolicyStatusToMessage,
  parseEncapsulationPolicyStatus,
} from './wire.js';

export const encapsulationPolicyKind = {
  kind: 'EncapsulationPolicy',
  api: 'network',
  scope: 'system',
  summary:
    "The network admin's rules: how networks are encapsulated, and what a workload may ask for instead.",
  rules: [
    'One policy is in force for a tenant: its own if there is one, else the one without a tenant. They are not merged.',
    'A second policy for the same tenant, or a second one without a tenant, is refused (`POLICY_EXISTS`).',
    'A policy decides when a network is created. Networks that exist keep their segment whatever becomes of it.',
    'What a network asks for in its spec is always allowed by the policy in force: a policy is not created, changed or deleted while a network of its tenants would ask for what is then not allowed; these are named (`POLICY_IN_USE`, of a delete `IN_USE`). A tenant gives way by leaving the segment out of the spec, which keeps the segment; the default may change at any time for networks that ask for nothing.',
  ],
  schema: EncapsulationPolicySchema,
  reasons: ENCAPSULATION_POLICY_REASONS,
  immutable: [{ field: 'spec.tenant', read: (spec) => spec.tenant }],
  selectable: ENCAPSULATION_POLICY_SELECTABLE,
  emptyStatus: { observedGeneration: 0, conditions: [] },
  parseSpec: parseEncapsulationPolicySpec,
  specToMessage: encapsulationPolicySpecToMessage,
  parseStatus: parseEncapsulationPolicyStatus,
  statusToMessage: encapsulationPolicyStatusToMessage,
  references: encapsulationPolicyReferences,
  indexes: encapsulationPolicyIndexes,
} satisfies Kind<EncapsulationPolicy, EncapsulationPolicyMessage>;
