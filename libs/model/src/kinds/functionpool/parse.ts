import { create } from '@bufbuild/protobuf';
import {
  type FunctionPoolSpec as FunctionPoolSpecMessage,
  FunctionPoolSpecSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { oneOf, optional } from '../../fields.js';
import { parseLabelSelectorMessage } from '../../label-selector.js';
import { parseName } from '../../values.js';
import { ATTACHMENTS, type Flavour } from '../function/spec.js';
import type { FunctionPoolSpec } from './spec.js';

const DEFAULT_MINIMUM_FREE = 1;
const MAX_MINIMUM_FREE = 256;
const DEFAULT_MAXIMUM = 64;
const MAX_MAXIMUM = 512;
const MAX_PF_NUMBER = 255;

/** Those that workers make; those of which a host may have some to count. */
const FLAVOURS_OF: Readonly<Record<(typeof ATTACHMENTS)[number], readonly Flavour[]>> = {
  DPU: ['VIRTUAL'],
  HOST: ['PCI_VF', 'PCI_SF'],
};

const parseAttachment = oneOf(ATTACHMENTS);

export function parseFunctionPoolSpec(
  message: FunctionPoolSpecMessage = create(FunctionPoolSpecSchema),
  problems: Problems,
): FunctionPoolSpec {
  const { minimumFree = DEFAULT_MINIMUM_FREE } = message;
  const maximum = message.maximum === 0 ? DEFAULT_MAXIMUM : message.maximum;
  if (message.dpu !== '' && message.dpuSelector !== undefined) {
    problems.add('spec.dpuSelector', 'must be absent with dpu');
  }
  if (minimumFree > MAX_MINIMUM_FREE) problems.add('spec.minimumFree', `must be 0-${MAX_MINIMUM_FREE}`);
  if (maximum > MAX_MAXIMUM) problems.add('spec.maximum', `must be 1-${MAX_MAXIMUM}`);
  if (maximum < minimumFree) problems.add('spec.maximum', `must be at least minimumFree, ${minimumFree}`);
  const attachment = optional(problems, 'spec.attachment', message.attachment, parseAttachment) ?? 'DPU';
  if (attachment === 'HOST' && message.pfNumber !== undefined)
    problems.add('spec.pfNumber', 'must be absent with attachment HOST');
  if ((message.pfNumber ?? 0) > MAX_PF_NUMBER) problems.add('spec.pfNumber', `must be 0-${MAX_PF_NUMBER}`);
  const flavour = optional(problems, 'spec.flavour', message.flavour, oneOf(FLAVOURS_OF[attachment]));
  return {
    dpu: optional(problems, 'spec.dpu', message.dpu, parseName),
    dpuSelector:
      message.dpuSelector && parseLabelSelectorMessage(message.dpuSelector, 'spec.dpuSelector', problems),
    attachment,
    minimumFree,
    maximum,
    pfNumber: message.pfNumber ?? 0,
    flavour: attachment === 'DPU' ? 'VIRTUAL' : flavour,
  };
}
