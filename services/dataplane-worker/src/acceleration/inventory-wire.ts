import { create } from '@bufbuild/protobuf';
import {
  type EngineProbe,
  MAXIMUM_ADDITIONAL_DATA,
  MAXIMUM_TRANSFER,
  type Operation,
} from '@outboard/acceleration';
import {
  type AccelerationInventory,
  AccelerationInventorySchema,
  AccelerationStep_Operation,
  EngineCapability_Implementation,
  EngineCapability_Placement,
} from '@outboard/contracts';

export interface AccelerationFacts {
  readonly sealingPublicKey: Uint8Array;
  readonly socketDirectory: string;
  readonly probe: EngineProbe;
}

/** What the engines of this DPU can do, for its inventory. */
export const accelerationInventory = ({
  sealingPublicKey,
  socketDirectory,
  probe,
}: AccelerationFacts): AccelerationInventory =>
  create(AccelerationInventorySchema, {
    sealingPublicKey,
    socketDirectory,
    capabilities: probe.capabilities.map((capability) => ({
      operation: AccelerationStep_Operation[capability.operation],
      algorithm: capability.algorithm,
      module: capability.module,
      implementation: EngineCapability_Implementation[capability.implementation],
      placement: EngineCapability_Placement.LOOKASIDE,
      keyBits: capability.keyBits,
      minimumLevel: capability.minimumLevel,
      maximumLevel: capability.maximumLevel,
      maximumInput: BigInt(MAXIMUM_TRANSFER),
      maximumAdditionalData: capability.operation.endsWith('CRYPT') ? MAXIMUM_ADDITIONAL_DATA : 0,
      lane: capability.lane,
      speeds: capability.speeds.map((speed) => ({ ...speed })),
    })),
    quarantined: probe.quarantined.map(({ module, operation, algorithm = '', reason }) => ({
      module,
      algorithm,
      operation: operationOf(operation),
      reason,
    })),
  });

/** Unspecified: the whole module. */
const operationOf = (operation: Operation | undefined): AccelerationStep_Operation =>
  operation === undefined ? AccelerationStep_Operation.UNSPECIFIED : AccelerationStep_Operation[operation];
