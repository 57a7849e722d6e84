import { constants } from 'node:os';
import type { ContainerExit } from '../container/container-runtime.js';
import type { RestartPolicy, Termination, TerminationReason, WorkloadState } from '../workload.js';

/** Pauses before a program is started again: they double. */
const FIRST_PAUSE_MILLISECONDS = 1_000;
const LONGEST_PAUSE_MILLISECONDS = 60_000;
/** What ran for so long has worked: the next pause is the first again. */
const STEADY_MILLISECONDS = 60_000;
/** So many ends in a row soon after the start are called a crash loop. */
const CRASH_LOOP = 3;

/** What is kept of a workload over restarts of it and of us. Times are milliseconds since the epoch. */
export interface WorkloadRecord {
  /** Of what was started last; empty: nothing was yet. */
  readonly digest: string;
  readonly state: WorkloadState;
  readonly since: number;
  readonly startedAt: number;
  readonly restarts: number;
  /** Ends in a row that came soon. */
  readonly quickEnds: number;
  readonly lastTermination: Termination | undefined;
}

export const NEW_RECORD: WorkloadRecord = {
  digest: '',
  state: 'STARTING',
  since: 0,
  startedAt: 0,
  restarts: 0,
  quickEnds: 0,
  lastTermination: undefined,
};

/** What becomes of a workload whose program has ended. */
export function afterEnd(
  record: WorkloadRecord,
  termination: Termination,
  policy: RestartPolicy,
): WorkloadRecord {
  const { time, reason } = termination;
  const ended = { ...record, since: time, lastTermination: termination };
  if (reason === 'COMPLETED' && policy !== 'ALWAYS') return { ...ended, state: 'SUCCEEDED' };
  if (policy === 'NEVER' && reason !== 'CANNOT_START') return { ...ended, state: 'FAILED' };
  const isQuick = time - record.startedAt < STEADY_MILLISECONDS;
  return { ...ended, state: 'BACKOFF', quickEnds: isQuick ? record.quickEnds + 1 : 1 };
}

/** When a workload that backs off is started again. */
export const nextStart = ({ since, quickEnds }: WorkloadRecord): number =>
  since + Math.min(LONGEST_PAUSE_MILLISECONDS, FIRST_PAUSE_MILLISECONDS * 2 ** Math.min(quickEnds - 1, 10));

/** Neither started again nor running. */
export const isFinished = ({ state }: WorkloadRecord): boolean => state === 'SUCCEEDED' || state === 'FAILED';

export const isCrashLoop = ({ state, quickEnds }: WorkloadRecord): boolean =>
  state === 'BACKOFF' && quickEnds >= CRASH_LOOP;

/** How a container's end is told. */
export function terminationOf(
  { status, outOfMemory, problem }: ContainerExit,
  { time, message, unhealthy }: { time: number; message: string; unhealthy: string | undefined },
): Termination {
  // As shells tell it (POSIX, 2.8.2).
  const signal = status !== undefined && status > 128 ? signalName(status - 128) : '';
  const reason: TerminationReason = outOfMemory
    ? 'OUT_OF_MEMORY'
    : unhealthy !== undefined
      ? 'UNHEALTHY'
      : status === undefined
        ? 'UNKNOWN'
        : status === 0
          ? 'COMPLETED'
          : signal !== ''
            ? 'SIGNALLED'
            : 'ERROR';
  return {
    reason,
    exitCode: signal === '' ? status : undefined,
    signal,
    message: unhealthy ?? (problem || message),
    time,
  };
}

const signalName = (number: number): string =>
  Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? '';
