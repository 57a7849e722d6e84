import type { ResourceJson } from '@outboard/model';
import { ABSENT, textOf, valueAt } from './output/values.js';

/** What a step is asked for with. */
export interface StepParameters {
  /** The text of a request: another one than before asks again. */
  readonly request: string;
  /** Undefined: as it is. */
  readonly drainSeconds: number | undefined;
  /** Whether workloads are stopped at once. */
  readonly force: boolean;
}

/** A step in the life of a DPU (docs/lifecycle.md): fields of its spec, and where they lead. */
export interface DpuStep {
  /** What is told when the service has taken it. */
  readonly told: string;
  /** The fields of `spec`, and of `spec.lifecycle`, that it changes. */
  fields(parameters: StepParameters): { readonly spec?: object; readonly lifecycle?: object };
  isReached(dpu: ResourceJson, parameters: StepParameters): boolean;
}

const field = (dpu: ResourceJson, path: string): string => textOf(valueAt(dpu, path));
const stateOf = (dpu: ResourceJson): string => field(dpu, 'status.lifecycle.state');
const isIn =
  (state: string) =>
  (dpu: ResourceJson): boolean =>
    stateOf(dpu) === state;

/** Where a DPU rests that is wanted so. */
function isAtRest(dpu: ResourceJson): boolean {
  const desired = field(dpu, 'spec.lifecycle.desired');
  return stateOf(dpu) === (desired === ABSENT ? 'READY' : desired);
}

const wanting = (desired: string, { drainSeconds, force }: StepParameters) => ({
  lifecycle: { desired, forceDrain: force, ...(drainSeconds !== undefined && { drainSeconds }) },
});

export const DPU_STEPS: ReadonlyMap<string, DpuStep> = new Map<string, DpuStep>([
  ['approve', { told: 'approved', fields: () => ({ spec: { approved: true } }), isReached: isAtRest }],
  [
    'drain',
    {
      told: 'to be drained',
      fields: (parameters) => wanting('MAINTENANCE', parameters),
      isReached: isIn('MAINTENANCE'),
    },
  ],
  [
    'undrain',
    {
      told: 'to be used again',
      fields: (parameters) => wanting('READY', parameters),
      isReached: isIn('READY'),
    },
  ],
  [
    'reboot',
    {
      told: 'to be rebooted',
      fields: ({ request }) => ({ lifecycle: { rebootRequest: request } }),
      isReached: (dpu, { request }) =>
        field(dpu, 'status.lifecycle.rebootRequest') === request && isAtRest(dpu),
    },
  ],
  [
    'retry',
    {
      told: 'to be tried again',
      fields: ({ request }) => ({ lifecycle: { retryRequest: request } }),
      isReached: (dpu, { request }) =>
        field(dpu, 'status.lifecycle.retryRequest') === request && isAtRest(dpu),
    },
  ],
  [
    'retire',
    {
      told: 'to be retired',
      fields: (parameters) => wanting('RETIRED', parameters),
      isReached: isIn('RETIRED'),
    },
  ],
]);

/** A DPU with a step in its spec: what is to be applied, and only if nobody has changed it meanwhile. */
export function withStep(
  { apiVersion, kind, metadata, spec }: ResourceJson,
  step: DpuStep,
  parameters: StepParameters,
): object {
  const { name, labels, resourceVersion } = metadata;
  const { lifecycle } = spec as { readonly lifecycle?: object };
  const fields = step.fields(parameters);
  return {
    apiVersion,
    kind,
    metadata: { name, resourceVersion, ...(labels !== undefined && { labels }) },
    spec: { ...spec, ...fields.spec, lifecycle: { ...lifecycle, ...fields.lifecycle } },
  };
}

/** Where a DPU stands, and who has to leave it: `DRAINING: PortsRemain: 3 to leave: port acme/web-0, ...`. */
export function standingOfDpu(dpu: ResourceJson): string {
  const [reason, message] = [field(dpu, 'status.lifecycle.reason'), field(dpu, 'status.lifecycle.message')];
  const stuck = valueAt(dpu, 'status.lifecycle.stuck') === true ? ', stuck' : '';
  return `${stateOf(dpu)}${stuck}: ${reason}: ${message}`;
}
