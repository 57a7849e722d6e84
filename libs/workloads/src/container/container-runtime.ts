import type { Isolation } from '../workload.js';

/** A container that shall be started. */
export interface ContainerSpecification {
  readonly id: string;
  /** Directory with its `config.json`. */
  readonly bundle: string;
  readonly logFile: string;
}

/** A container that is there. */
export interface FoundContainer {
  readonly id: string;
  readonly running: boolean;
}

/** How a container ended. */
export interface ContainerExit {
  /** As a shell has it: 128 and the signal's number for what a signal ended; undefined: nobody saw it. */
  readonly status: number | undefined;
  readonly outOfMemory: boolean;
  /** Why nobody saw how it ended; empty: somebody did. */
  readonly problem: string;
}

/** Runs containers that outlive who started them. Names of containers are RFC 1123 labels. */
export interface ContainerRuntime {
  /** What separates its containers. Throws AppError FAILED_PRECONDITION where there is no way to run any. */
  probe(): Promise<RuntimeCapabilities>;
  list(): Promise<readonly FoundContainer[]>;
  /** Resolves when its program runs. Throws AppError INTERNAL with what the runtime said; nothing is left then. */
  start(specification: ContainerSpecification): Promise<void>;
  /** Harmless where nothing runs. */
  signal(id: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Ends it and takes everything of it away. Removing the absent is success. */
  remove(id: string): Promise<void>;
  /**
   * Resolves when it has ended, at once if there is none; and when nobody is there any more who would tell how it ends,
   * though its program may run on.
   */
  ended(id: string, signal: AbortSignal): Promise<ContainerExit>;
  /** Runs a program in it. Rejects with AppError DEADLINE_EXCEEDED or FAILED_PRECONDITION with what was said. */
  execute(id: string, command: readonly string[], timeoutMilliseconds: number): Promise<void>;
}

export interface RuntimeCapabilities {
  readonly isolation: Isolation;
  readonly limits: readonly ('cpu' | 'memory' | 'processes')[];
}
