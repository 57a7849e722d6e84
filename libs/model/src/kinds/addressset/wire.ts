import { create } from '@bufbuild/protobuf';
import {
  type AddressSetSpec as AddressSetSpecMessage,
  AddressSetSpecSchema,
  type AddressSetStatus as AddressSetStatusMessage,
  AddressSetStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { addressOrPrefix } from '../../ip.js';
import { parsePropagation, propagationToMessage } from '../../propagation.js';
import type { AddressSetSpec, AddressSetStatus } from './spec.js';

export const addressSetSpecToMessage = ({ addresses }: AddressSetSpec): AddressSetSpecMessage =>
  create(AddressSetSpecSchema, { addresses: addresses.map(addressOrPrefix) });

export const parseAddressSetStatus = (
  message: AddressSetStatusMessage = create(AddressSetStatusSchema),
  problems: Problems,
): Omit<AddressSetStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  policies: message.policies,
  propagated: parsePropagation(message.propagated, problems),
});

export const addressSetStatusToMessage = ({
  observedGeneration,
  policies,
  propagated,
}: AddressSetStatus): AddressSetStatusMessage =>
  create(AddressSetStatusSchema, { observedGeneration, policies, ...propagationToMessage(propagated) });
