import { isAllowed, type LaneName, laneOfProgram } from '@outboard/acceleration/programs';
import type {
  AcceleratorEngine,
  GrantedOffload,
  GrantedProgram,
  JobProgram,
  JobStep,
  Name,
  SessionPolicy,
} from '@outboard/model';
import type { Load } from './indexes.js';
import { isUsableOn } from './key-use.js';
import type { DpuRecord, KeyRecord } from './records.js';

/** Sessions of one DPU, each of which has sockets there. */
const MAX_SESSIONS_PER_DPU = 4_096;
/** Sizes of jobs that speeds are compared by, bytes. */
const USUAL_INPUT = 65_536;

/** What a place has to offer. */
export interface Demand {
  readonly programs: readonly JobProgram[];
  readonly policy: SessionPolicy;
  readonly keys: readonly KeyRecord[];
  /** The only DPU that it may be on. */
  readonly dpu: Name | undefined;
  /** Where its port is; undefined: it has none. */
  readonly home: DpuRecord | undefined;
}

/** Why a DPU is no place, from what is worst to what would only have to change a little. */
const REFUSALS = [
  'Unsupported',
  'OnlyHardware',
  'NoHardware',
  'KeyUnavailable',
  'DpuFull',
  'DpuStalled',
  'DpuUnreachable',
] as const;
export type RefusalReason = (typeof REFUSALS)[number];

export interface Place {
  readonly fits: true;
  readonly dpu: DpuRecord;
  readonly programs: readonly GrantedProgram[];
  readonly offload: { readonly granted: GrantedOffload; readonly reason: string };
  /** 0: with its port; 1: on the same host; 2: elsewhere. */
  readonly distance: number;
  /** 10^6 bytes a second that it would get if all were busy, over its programs. */
  readonly expectedMegabytesPerSecond: number;
}

export interface NoPlace {
  readonly fits: false;
  readonly dpu: DpuRecord;
  readonly reason: RefusalReason;
  readonly message: string;
}

/** Whether the session may be there at all, by its affinity. */
export function isWithinReach({ policy, dpu, home }: Demand, candidate: DpuRecord): boolean {
  if (dpu !== undefined && dpu !== candidate.name) return false;
  const distance = distanceOf(candidate, home);
  return policy.affinity === 'ANY' || distance <= (policy.affinity === 'HOST' ? 1 : 0);
}

/** How a DPU is at the moment. */
export interface Present {
  /** Without the session that it is assessed for. */
  readonly load: Load;
  /** A thread of it stands still. */
  readonly isStalled: boolean;
}

/** What a DPU can do for a session. */
export function assess(demand: Demand, dpu: DpuRecord, { load, isStalled }: Present): Place | NoPlace {
  const { programs, policy, keys, home } = demand;
  const refuse = (reason: RefusalReason, message: string): NoPlace => ({ fits: false, dpu, reason, message });
  const engines = dpu.accelerator?.engines ?? [];
  if (dpu.accelerator === undefined) return refuse('Unsupported', `${dpu.name} serves no acceleration`);
  const steps = programs.flatMap((program) => program.steps);
  const missing = steps.find((step) => engineFor(engines, step) === undefined);
  if (missing) return refuse('Unsupported', `${dpu.name} has no engine for ${textOf(missing)}`);
  const allowed = engines.filter(({ implementation }) => isAllowed(policy.offload, implementation));
  const forbidden = steps.find((step) => engineFor(allowed, step) === undefined);
  if (forbidden) {
    return policy.offload === 'NEVER'
      ? refuse('OnlyHardware', `${dpu.name} does ${textOf(forbidden)} in hardware alone`)
      : refuse('NoHardware', `${dpu.name} has no hardware for ${textOf(forbidden)}`);
  }
  const isHard = (step: JobStep): boolean => engineFor(allowed, step)?.implementation === 'HARDWARE';
  const hard = steps.find(isHard);
  const soft = steps.find((step) => !isHard(step));
  const closed = keys.find((key) => !isUsableOn(key, dpu));
  if (closed) return refuse('KeyUnavailable', `${dpu.name} cannot open key ${closed.resource.metadata.name}`);
  if (load.sessions >= MAX_SESSIONS_PER_DPU) {
    return refuse('DpuFull', `${dpu.name} has ${MAX_SESSIONS_PER_DPU} sessions`);
  }
  if (!dpu.isReachable) return refuse('DpuUnreachable', `${dpu.name} does not report`);
  if (isStalled) return refuse('DpuStalled', `${dpu.name} has threads that stand still`);
  if (dpu.isDrained) return refuse('DpuUnreachable', `${dpu.name} is being emptied`);
  const granted = programs.map((program) => grant(program, allowed));
  return {
    fits: true,
    dpu,
    programs: granted,
    offload: {
      granted: soft ? (hard ? 'PARTIAL' : 'SOFTWARE') : 'HARDWARE',
      reason: reasonOf(demand, dpu, soft),
    },
    distance: distanceOf(dpu, home),
    expectedMegabytesPerSecond: expectedSpeed(programs, granted, policy.weight, load),
  };
}

/** The best first: near, then in hardware, then fast. */
export function ranked(places: readonly Place[]): readonly Place[] {
  return places.toSorted(
    (one, other) =>
      one.distance - other.distance ||
      hardSteps(other) - hardSteps(one) ||
      other.expectedMegabytesPerSecond - one.expectedMegabytesPerSecond ||
      (one.dpu.name < other.dpu.name ? -1 : 1),
  );
}

/** The refusal that is nearest to a place. */
export function nearest(refusals: readonly NoPlace[]): NoPlace | undefined {
  return refusals.toSorted(
    (one, other) =>
      REFUSALS.indexOf(other.reason) - REFUSALS.indexOf(one.reason) ||
      (one.dpu.name < other.dpu.name ? -1 : 1),
  )[0];
}

function distanceOf(dpu: DpuRecord, home: DpuRecord | undefined): number {
  if (home === undefined || dpu.name === home.name) return 0;
  return dpu.host !== undefined && dpu.host === home.host ? 1 : 2;
}

/** Who does a step: as the worker decides, the first of those that may that has the level. */
const engineFor = (engines: readonly AcceleratorEngine[], step: JobStep): AcceleratorEngine | undefined =>
  engines.find(
    ({ operation, algorithm, maximumLevel }) =>
      operation === step.operation && algorithm === step.algorithm && step.level <= maximumLevel,
  );

const grant = ({ id, steps }: JobProgram, engines: readonly AcceleratorEngine[]): GrantedProgram => ({
  id,
  steps: steps.map((step) => {
    const engine = engineFor(engines, step);
    return {
      operation: step.operation,
      algorithm: step.algorithm,
      implementation: engine?.implementation ?? '',
      module: engine?.module ?? '',
      megabytesPerSecond: engine ? usualSpeed(engine) : 0,
    };
  }),
});

/** Of the measured size that is nearest to the usual one. */
function usualSpeed({ speeds }: AcceleratorEngine): number {
  const off = (bytes: number): number => Math.abs(Math.log2(bytes / USUAL_INPUT));
  const [speed] = speeds.toSorted((one, other) => off(one.inputBytes) - off(other.inputBytes));
  return speed?.megabytesPerSecond ?? 0;
}

/** Its share of each program's speed on average; one after the other steps take the sum of their times. */
function expectedSpeed(
  programs: readonly JobProgram[],
  granted: readonly GrantedProgram[],
  weight: number,
  load: Load,
): number {
  const share = (lane: LaneName): number => weight / (weight + load.weight[lane]);
  const speeds = granted.map(({ steps }, index) => {
    const time = steps.reduce((sum, step) => sum + 1 / Math.max(1, step.megabytesPerSecond), 0);
    const program = programs[index];
    return program ? share(laneOfProgram(program)) / time : 0;
  });
  return Math.round(speeds.reduce((sum, speed) => sum + speed, 0) / Math.max(1, speeds.length));
}

const hardSteps = ({ programs }: Place): number =>
  programs.flatMap(({ steps }) => steps).filter(({ implementation }) => implementation === 'HARDWARE').length;

const textOf = ({ operation, algorithm, level }: JobStep): string =>
  `${operation} ${algorithm}${level > 0 ? ` level ${level}` : ''}`;

function reasonOf({ policy }: Demand, dpu: DpuRecord, soft: JobStep | undefined): string {
  if (soft === undefined) return `${dpu.name} does every step in hardware`;
  return policy.offload === 'NEVER' ? 'as asked for' : `${dpu.name} has no hardware for ${textOf(soft)}`;
}
