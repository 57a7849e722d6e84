import type { Setting, Settings } from './settings.js';

/** What there is of a DPU's network. */
export interface ObservedNetwork {
  /** Every device of the DPU by its name. */
  readonly devices: ReadonlyMap<string, ObservedDevice>;
  /** Of all devices; of addresses and routes, those that the kernel has not made itself. */
  readonly settings: Settings;
}

export interface ObservedDevice {
  /** Bytes; undefined: the device does not say. */
  readonly minimumMtu: number | undefined;
  readonly maximumMtu: number | undefined;
  /** What is made of it here besides; undefined: nothing. */
  readonly usedFor: string | undefined;
}

/** What was there before a configuration set something else; null: nothing. */
export type Originals = ReadonlyMap<string, Setting | null>;

/** Why a configuration cannot be made so at present. `waits`: something that may come is missing. */
export interface PlanProblem {
  readonly waits: boolean;
  readonly message: string;
}
