import type { InterfaceDescription } from './interfaces/description.js';
import type { ConfigurationView } from './supervision/published-interfaces.js';
import type { WorkloadView } from './workload.js';

/** All that there is to tell of a workload. */
export interface WorkloadSummary extends WorkloadView {
  readonly interfaces: readonly { readonly description: InterfaceDescription; readonly yangCheck: string }[];
  /** Why what it serves is not published; empty: nothing is wrong, or it serves nothing. */
  readonly interfaceProblem: string;
  readonly configurations: readonly ConfigurationView[];
}

/** Whether a port leads to a program that works. */
export interface PortHealth {
  readonly portUid: string;
  readonly up: boolean;
}
