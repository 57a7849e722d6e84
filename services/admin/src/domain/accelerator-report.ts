import {
  type AccelerationInventory,
  AccelerationStep_Operation,
  EngineCapability_Implementation,
  EngineCapability_Placement,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import type { Accelerator } from '@outboard/model';

/** Operations with their algorithms and modules; some dozens are usual. */
const MAX_ENGINES = 256;
const MAX_SPEEDS = 8;
const MAX_NAME = 64;
const MAX_TEXT = 256;
const PUBLIC_KEY_BYTES = 32;

/** What a worker says of its engines, in the words of the Dpu's status. */
export function parseAccelerator(inventory: AccelerationInventory, problems: Problems): Accelerator {
  const { sealingPublicKey, socketDirectory, capabilities, quarantined } = inventory;
  if (sealingPublicKey.length !== PUBLIC_KEY_BYTES)
    problems.add('acceleration.sealingPublicKey', `must have ${PUBLIC_KEY_BYTES} bytes`);
  for (const [field, list] of Object.entries({ capabilities, quarantined }))
    if (list.length > MAX_ENGINES) problems.add(`acceleration.${field}`, `must be at most ${MAX_ENGINES}`);
  const text = (field: string, value: string, maximum = MAX_NAME): string => {
    if (value.length > maximum)
      problems.add(`acceleration.${field}`, `must be at most ${maximum} characters`);
    return value;
  };
  return {
    sealingPublicKey: Buffer.from(sealingPublicKey).toString('base64'),
    socketDirectory: text('socketDirectory', socketDirectory, MAX_TEXT),
    engines: capabilities.slice(0, MAX_ENGINES).map((engine, index) => {
      const path = `capabilities[${index}]`;
      if (engine.speeds.length > MAX_SPEEDS)
        problems.add(`acceleration.${path}.speeds`, `must be at most ${MAX_SPEEDS}`);
      return {
        operation: AccelerationStep_Operation[engine.operation] ?? '',
        algorithm: text(`${path}.algorithm`, engine.algorithm),
        module: text(`${path}.module`, engine.module),
        implementation: EngineCapability_Implementation[engine.implementation] ?? '',
        placement: EngineCapability_Placement[engine.placement] ?? '',
        keyBits: engine.keyBits,
        minimumLevel: engine.minimumLevel,
        maximumLevel: engine.maximumLevel,
        maximumInput: Number(engine.maximumInput),
        maximumAdditionalData: engine.maximumAdditionalData,
        lane: text(`${path}.lane`, engine.lane),
        speeds: engine.speeds
          .slice(0, MAX_SPEEDS)
          .map(({ inputBytes, megabytesPerSecond }) => ({ inputBytes, megabytesPerSecond })),
      };
    }),
    quarantined: quarantined.slice(0, MAX_ENGINES).map((each, index) => ({
      module: text(`quarantined[${index}].module`, each.module),
      operation:
        each.operation === AccelerationStep_Operation.UNSPECIFIED
          ? ''
          : (AccelerationStep_Operation[each.operation] ?? ''),
      algorithm: text(`quarantined[${index}].algorithm`, each.algorithm),
      reason: each.reason.slice(0, MAX_TEXT),
    })),
  };
}
