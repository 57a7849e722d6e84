import { type AddressSet as AddressSetMessage, AddressSetSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { ADDRESS_SET_REASONS } from './conditions.js';
import { parseAddressSetSpec } from './parse.js';
import { ADDRESS_SET_SELECTABLE } from './references.js';
import type { AddressSet } from './spec.js';
import { addressSetSpecToMessage, addressSetStatusToMessage, parseAddressSetStatus } from './wire.js';

export const addressSetKind = {
  kind: 'AddressSet',
  api: 'network',
  scope: 'tenant',
  summary: 'Addresses under a name, for security policies (OpenStack: address group).',
  rules: ['A change of the addresses changes no policy, only who is meant by it.'],
  schema: AddressSetSchema,
  reasons: ADDRESS_SET_REASONS,
  immutable: [],
  selectable: ADDRESS_SET_SELECTABLE,
  emptyStatus: { observedGeneration: 0, policies: 0, propagated: undefined, conditions: [] },
  parseSpec: parseAddressSetSpec,
  specToMessage: addressSetSpecToMessage,
  parseStatus: parseAddressSetStatus,
  statusToMessage: addressSetStatusToMessage,
  references: () => [],
  indexes: (_: AddressSet) => [],
} satisfies Kind<AddressSet, AddressSetMessage>;
