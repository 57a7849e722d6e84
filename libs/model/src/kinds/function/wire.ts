import { create } from '@bufbuild/protobuf';
import {
  type Claim as ClaimMessage,
  type FunctionSpec as FunctionSpecMessage,
  FunctionSpecSchema,
  type FunctionStatus as FunctionStatusMessage,
  FunctionStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { oneOf, optional, required } from '../../fields.js';
import { parseMacAddress, parseName, parseSerialNumber, parseTenantName } from '../../values.js';
import {
  ATTACHMENTS,
  type Claim,
  FLAVOURS,
  FUNCTION_OPERATIONAL_STATES,
  FUNCTION_STATES,
  type FunctionSpec,
  type FunctionStatus,
} from './spec.js';

const parseFlavour = oneOf(FLAVOURS);
const parseState = oneOf(FUNCTION_STATES);
const parseOperationalState = oneOf(FUNCTION_OPERATIONAL_STATES);
const parseAttachment = oneOf(ATTACHMENTS);

export const functionSpecToMessage = ({ pool }: FunctionSpec): FunctionSpecMessage =>
  create(FunctionSpecSchema, { pool });

function parseClaim(message: ClaimMessage | undefined, problems: Problems): Claim | undefined {
  if (message === undefined) return undefined;
  const tenant = required(problems, 'status.claim.tenant', message.tenant, parseTenantName);
  const name = required(problems, 'status.claim.name', message.name, parseName);
  if (tenant === undefined || name === undefined) return undefined;
  return { tenant, kind: message.kind, name };
}

export const parseFunctionStatus = (
  message: FunctionStatusMessage = create(FunctionStatusSchema),
  problems: Problems,
): Omit<FunctionStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  dpu: optional(problems, 'status.dpu', message.dpu, parseName),
  serialNumber: optional(problems, 'status.serialNumber', message.serialNumber, parseSerialNumber),
  pfMacAddress: optional(problems, 'status.pfMacAddress', message.pfMacAddress, parseMacAddress),
  flavour: optional(problems, 'status.flavour', message.flavour, parseFlavour),
  controller: message.controller,
  pfNumber: message.pfNumber,
  vfNumber: message.vfNumber,
  sfNumber: message.sfNumber,
  external: message.external,
  hwAddress: optional(problems, 'status.hwAddress', message.hwAddress, parseMacAddress),
  state: optional(problems, 'status.state', message.state, parseState),
  opState: optional(problems, 'status.opState', message.opState, parseOperationalState),
  representor: message.representor && {
    netdev: message.representor.netdev,
    physPortName: message.representor.physPortName,
    switchId: message.representor.switchId,
  },
  attachment: optional(problems, 'status.attachment', message.attachment, parseAttachment),
  claim: parseClaim(message.claim, problems),
});

export const functionStatusToMessage = (status: FunctionStatus): FunctionStatusMessage =>
  create(FunctionStatusSchema, {
    observedGeneration: status.observedGeneration,
    dpu: status.dpu ?? '',
    serialNumber: status.serialNumber ?? '',
    pfMacAddress: status.pfMacAddress ?? '',
    flavour: status.flavour ?? '',
    controller: status.controller,
    pfNumber: status.pfNumber,
    ...(status.vfNumber !== undefined && { vfNumber: status.vfNumber }),
    ...(status.sfNumber !== undefined && { sfNumber: status.sfNumber }),
    external: status.external,
    hwAddress: status.hwAddress ?? '',
    state: status.state ?? '',
    opState: status.opState ?? '',
    ...(status.representor && { representor: status.representor }),
    attachment: status.attachment ?? '',
    ...(status.claim && { claim: status.claim }),
  });
