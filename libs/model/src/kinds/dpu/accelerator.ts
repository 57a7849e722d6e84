import { create } from '@bufbuild/protobuf';
import { type Accelerator as AcceleratorMessage, AcceleratorSchema } from '@outboard/contracts';

/** One operation with one algorithm, and the module that does it. */
export interface AcceleratorEngine {
  readonly operation: string;
  readonly algorithm: string;
  readonly module: string;
  readonly implementation: string;
  readonly placement: string;
  /** 0: no key. */
  readonly keyBits: number;
  /** 0: no levels. */
  readonly minimumLevel: number;
  readonly maximumLevel: number;
  /** Bytes of one job. */
  readonly maximumInput: number;
  readonly maximumAdditionalData: number;
  readonly lane: string;
  readonly speeds: readonly { readonly inputBytes: number; readonly megabytesPerSecond: number }[];
}

export interface QuarantinedModule {
  readonly module: string;
  /** Empty: the whole module. */
  readonly operation: string;
  readonly algorithm: string;
  readonly reason: string;
}

/** What applications can use the engines of a DPU for. */
export interface Accelerator {
  /** X25519, 32 bytes, as base64: plain data, as the rest of a stored resource. */
  readonly sealingPublicKey: string;
  readonly socketDirectory: string;
  readonly engines: readonly AcceleratorEngine[];
  readonly quarantined: readonly QuarantinedModule[];
}

export const acceleratorFromMessage = (message: AcceleratorMessage): Accelerator => ({
  sealingPublicKey: Buffer.from(message.sealingPublicKey).toString('base64'),
  socketDirectory: message.socketDirectory,
  engines: message.engines.map(({ $typeName: _, $unknown, speeds, ...engine }) => ({
    ...engine,
    speeds: speeds.map(({ inputBytes, megabytesPerSecond }) => ({ inputBytes, megabytesPerSecond })),
  })),
  quarantined: message.quarantined.map(({ module, operation, algorithm, reason }) => ({
    module,
    operation,
    algorithm,
    reason,
  })),
});

export const acceleratorToMessage = (accelerator: Accelerator): AcceleratorMessage =>
  create(AcceleratorSchema, {
    sealingPublicKey: Buffer.from(accelerator.sealingPublicKey, 'base64'),
    socketDirectory: accelerator.socketDirectory,
    engines: accelerator.engines.map((engine) => ({
      ...engine,
      speeds: engine.speeds.map((speed) => ({ ...speed })),
    })),
    quarantined: accelerator.quarantined.map((module) => ({ ...module })),
  });
