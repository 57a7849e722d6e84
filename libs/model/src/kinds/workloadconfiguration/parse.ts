import { create } from '@bufbuild/protobuf';
import {
  type WorkloadConfigurationSpec as WorkloadConfigurationSpecMessage,
  WorkloadConfigurationSpecSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { required } from '../../fields.js';
import { parseName } from '../../values.js';
import type { WorkloadConfigurationSpec } from './spec.js';

const MAX_CONFIGURATION_BYTES = 65_536;

export function parseWorkloadConfigurationSpec(
  message: WorkloadConfigurationSpecMessage = create(WorkloadConfigurationSpecSchema),
  problems: Problems,
): WorkloadConfigurationSpec | undefined {
  const workload = required(problems, 'spec.workload', message.workload, parseName);
  const name = required(problems, 'spec.interface', message.interface, parseName);
  const { configuration } = message;
  const field = 'spec.configuration';
  if (configuration === undefined) problems.add(field, 'is required');
  else {
    const bytes = Buffer.byteLength(JSON.stringify(configuration));
    if (bytes > MAX_CONFIGURATION_BYTES)
      problems.add(field, `must have at most ${MAX_CONFIGURATION_BYTES} bytes of JSON, not ${bytes}`);
  }
  if (workload === undefined || name === undefined || configuration === undefined) return undefined;
  return { workload, interface: name, configuration };
}
