import type { HopIsUp, Underlay } from '../driver.js';

/** What the realisation depends on besides the objects. */
export interface LinuxEnvironment {
  /** Name of the DPU: takes part in the names of namespaces. */
  readonly dpu: string;
  readonly underlay: Underlay | undefined;
  /** Names of capabilities that the machine lacks, each with the reason. */
  readonly lacks: ReadonlyMap<string, string>;
  /** Of the hops of service chains; absent: all are. */
  readonly isUp?: HopIsUp;
}
