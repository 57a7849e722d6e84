import type { LabelSelector } from '../../label-selector.js';
import type { Resource, Status } from '../../resource.js';
import type { Name } from '../../values.js';
import type { ATTACHMENTS, Flavour } from '../function/spec.js';

export interface FunctionPoolSpec {
  readonly dpu: Name | undefined;
  /** Undefined, as `dpu`: all DPUs. */
  readonly dpuSelector: LabelSelector | undefined;
  readonly attachment: (typeof ATTACHMENTS)[number];
  /** On each DPU. */
  readonly minimumFree: number;
  readonly maximum: number;
  /** The physical function that those belong to which are made; 0 with attachment HOST. */
  readonly pfNumber: number;
  /** `VIRTUAL` with attachment DPU; undefined: any. */
  readonly flavour: Flavour | undefined;
}

export interface FunctionPoolStatus extends Status {
  /** How many are selected. */
  readonly dpus: number;
  /** Functions that are there, on all of them together. */
  readonly total: number;
  readonly used: number;
  readonly free: number;
}

/** Functions of one sort on some DPUs, of which there are always some free. Belongs to no tenant. */
export type FunctionPool = Resource<'FunctionPool', FunctionPoolSpec, FunctionPoolStatus>;
