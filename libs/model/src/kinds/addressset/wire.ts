import { create } from '@bufbuild/protobuf';
import {
  type AddressSetSpec as AddressSetSpecMessage,
  AddressSetSpecSchema,
  type AddressSetStatus as AddressSetStatusMessage,
  AddressSetStatusSchema,
} from '@outboard/contracts';
import { addressOrPrefix } from '../../ip.js';
import type { AddressSetSpec, AddressSetStatus } from './spec.js';

export const addressSetSpecToMessage = ({ addresses }: AddressSetSpec): AddressSetSpecMessage =>
  create(AddressSetSpecSchema, { addresses: addresses.map(addressOrPrefix) });

export const parseAddressSetStatus = (
  message: AddressSetStatusMessage = create(AddressSetStatusSchema),
): Omit<AddressSetStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  policies: message.policies,
});

export const addressSetStatusToMessage = ({
  observedGeneration,
  policies,
}: AddressSetStatus): AddressSetStatusMessage =>
  create(AddressSetStatusSchema, { observedGeneration, policies });
