import { create } from '@bufbuild/protobuf';
import {
  type LifecycleSpec as LifecycleSpecMessage,
  LifecycleSpecSchema,
  type LifecycleStatus as LifecycleStatusMessage,
  LifecycleStatusSchema,
} from '@outboard/contracts';
import { err, ok, type Problems } from '@outboard/core';
import { oneOf, optional, required } from '../../fields.js';
import type { Parser } from '../../values.js';

/** What can be wanted of a DPU. */
export const DESIRED_LIFECYCLES = ['READY', 'MAINTENANCE', 'RETIRED'] as const;
export type DesiredLifecycle = (typeof DESIRED_LIFECYCLES)[number];

export const LIFECYCLE_STATES = [
  'DISCOVERED',
  'APPROVED',
  'PROVISIONING',
  'READY',
  'DRAINING',
  'MAINTENANCE',
  'REBOOTING',
  'UNREACHABLE',
  'FAILED',
  'RETIRED',
] as const;
export type LifecycleState = (typeof LIFECYCLE_STATES)[number];

export interface LifecycleSpec {
  readonly desired: DesiredLifecycle;
  /** Another text than that of the last request asks again. */
  readonly rebootRequest: string | undefined;
  readonly retryRequest: string | undefined;
  readonly drainSeconds: number;
  /** Workloads that still run on it are stopped at once. */
  readonly forceDrain: boolean;
}

/** Where a DPU stands, why, since when and until when. Times are RFC 3339 in UTC with seconds. */
export interface LifecycleStatus {
  readonly state: LifecycleState;
  readonly reason: string;
  readonly message: string;
  readonly since: string;
  /** Undefined: as long as its lease is renewed. */
  readonly deadline: string | undefined;
  readonly stuck: boolean;
  /** Ports and workloads that have to leave, and the first of them. */
  readonly remaining: number;
  readonly remainingNames: readonly string[];
  /** Requests that have been obeyed. */
  readonly rebootRequest: string | undefined;
  readonly retryRequest: string | undefined;
  /** What is tried again after FAILED. */
  readonly failedState: LifecycleState | undefined;
  /** Failures in a row. */
  readonly failures: number;
  readonly provisionedIncarnation: string | undefined;
  readonly endingIncarnation: string | undefined;
}

const DEFAULT_DRAIN_SECONDS = 3_600;
const MAX_DRAIN_SECONDS = 604_800;

/** What nobody has said anything about: it is to be used. */
export const DEFAULT_LIFECYCLE: LifecycleSpec = {
  desired: 'READY',
  rebootRequest: undefined,
  retryRequest: undefined,
  drainSeconds: DEFAULT_DRAIN_SECONDS,
  forceDrain: false,
};

const parseDesired = oneOf(DESIRED_LIFECYCLES);
const parseState = oneOf(LIFECYCLE_STATES);

const REQUEST = /^[\x21-\x7e]{1,64}$/;
const parseRequest: Parser<string, string> = (text) =>
  REQUEST.test(text) ? ok(text) : err('must be 1-64 printable ASCII characters without spaces');

const parseDrainSeconds: Parser<number, number> = (seconds) =>
  seconds <= MAX_DRAIN_SECONDS ? ok(seconds) : err(`must be 1-${MAX_DRAIN_SECONDS}`);

export const parseLifecycleSpec = (
  message: LifecycleSpecMessage = create(LifecycleSpecSchema),
  problems: Problems,
): LifecycleSpec => {
  const read = <Input extends string | number, Value>(
    field: string,
    input: Input,
    parse: Parser<Input, Value>,
  ): Value | undefined => optional(problems, `spec.lifecycle.${field}`, input, parse);
  return {
    desired: read('desired', message.desired, parseDesired) ?? DEFAULT_LIFECYCLE.desired,
    rebootRequest: read('rebootRequest', message.rebootRequest, parseRequest),
    retryRequest: read('retryRequest', message.retryRequest, parseRequest),
    drainSeconds: read('drainSeconds', message.drainSeconds, parseDrainSeconds) ?? DEFAULT_DRAIN_SECONDS,
    forceDrain: message.forceDrain,
  };
};

export const lifecycleSpecToMessage = (spec: LifecycleSpec): LifecycleSpecMessage =>
  create(LifecycleSpecSchema, {
    desired: spec.desired,
    rebootRequest: spec.rebootRequest ?? '',
    retryRequest: spec.retryRequest ?? '',
    drainSeconds: spec.drainSeconds,
    forceDrain: spec.forceDrain,
  });

export function parseLifecycleStatus(
  message: LifecycleStatusMessage | undefined,
  problems: Problems,
): LifecycleStatus | undefined {
  if (message === undefined) return undefined;
  const state = required(problems, 'status.lifecycle.state', message.state, parseState);
  const failedState = optional(problems, 'status.lifecycle.failedState', message.failedState, parseState);
  if (state === undefined) return undefined;
  return {
    state,
    reason: message.reason,
    message: message.message,
    since: message.since,
    deadline: message.deadline || undefined,
    stuck: message.stuck,
    remaining: message.remaining,
    remainingNames: [...message.remainingNames],
    rebootRequest: message.rebootRequest || undefined,
    retryRequest: message.retryRequest || undefined,
    failedState,
    failures: message.failures,
    provisionedIncarnation: message.provisionedIncarnation || undefined,
    endingIncarnation: message.endingIncarnation || undefined,
  };
}

export const lifecycleStatusToMessage = (status: LifecycleStatus): LifecycleStatusMessage =>
  create(LifecycleStatusSchema, {
    state: status.state,
    reason: status.reason,
    message: status.message,
    since: status.since,
    deadline: status.deadline ?? '',
    stuck: status.stuck,
    remaining: status.remaining,
    remainingNames: [...status.remainingNames],
    rebootRequest: status.rebootRequest ?? '',
    retryRequest: status.retryRequest ?? '',
    failedState: status.failedState ?? '',
    failures: status.failures,
    provisionedIncarnation: status.provisionedIncarnation ?? '',
    endingIncarnation: status.endingIncarnation ?? '',
  });
