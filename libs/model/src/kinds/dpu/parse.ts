import { create } from '@bufbuild/protobuf';
import { type DpuSpec as DpuSpecMessage, DpuSpecSchema } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { optional } from '../../fields.js';
import { parseHostName, parseSerialNumber } from '../../values.js';
import { parseLifecycleSpec } from './lifecycle.js';
import type { DpuSpec } from './spec.js';

export const parseDpuSpec = (
  message: DpuSpecMessage = create(DpuSpecSchema),
  problems: Problems,
): DpuSpec => ({
  serialNumber: optional(problems, 'spec.serialNumber', message.serialNumber, parseSerialNumber),
  host: optional(problems, 'spec.host', message.host, parseHostName),
  approved: message.approved,
  lifecycle: parseLifecycleSpec(message.lifecycle, problems),
});
