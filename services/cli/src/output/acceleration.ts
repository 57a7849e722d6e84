import {
  AccelerationFault_Kind,
  type AccelerationStatisticsResponse,
  AccelerationStep_Operation,
  type EngineStatistics,
  type InjectedFault,
  type SessionActivity,
} from '@outboard/contracts';
import { formatTable } from './table.js';
import { ABSENT } from './values.js';

/** What a worker tells of its data path. */
export type Statistics = AccelerationStatisticsResponse;

/** What was done between two looks; without an earlier one, since the worker's threads began. */
export function formatStatistics(now: Statistics, before?: Statistics): readonly string[] {
  const isSame = before !== undefined && before.incarnation === now.incarnation;
  const earlier = isSame ? before : undefined;
  const seconds =
    earlier === undefined ? 0 : Number(now.monotonicMicroseconds - earlier.monotonicMicroseconds) / 1e6;
  const sections = [
    threadLines(now),
    engineLines(now, earlier, seconds),
    sessionLines(now, earlier, seconds),
  ];
  if (now.injectsFaults || now.faults.length > 0) sections.push(formatFaults(now.faults));
  return sections.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
}

/** The faults in force, and to how many jobs they were done. */
export function formatFaults(faults: readonly InjectedFault[]): readonly string[] {
  if (faults.length === 0) return ['no faults are in force'];
  const rows = faults.map(({ id, fault, injected }) => [
    id,
    AccelerationFault_Kind[fault?.kind ?? 0] ?? ABSENT,
    AccelerationStep_Operation[fault?.operation ?? 0] ?? ABSENT,
    fault?.algorithm ?? ABSENT,
    fault?.module || 'all',
    fault?.count ? `${fault.count}` : 'until cleared',
    `${fault?.interval ?? 1}`,
    `${injected}`,
  ]);
  return formatTable([
    ['FAULT', 'KIND', 'OPERATION', 'ALGORITHM', 'MODULE', 'JOBS', 'EVERY', 'INJECTED'],
    ...rows,
  ]);
}

const threadLines = ({ threads }: Statistics): readonly string[] =>
  threads.length === 0
    ? ['no threads: no session has been served yet']
    : formatTable([
        ['THREAD', 'STATE', 'QUEUED', 'CONNECTIONS'],
        ...threads.map(({ lane, index, answers, queuedJobs, connections }) => [
          `${lane.toLowerCase()}-${index}`,
          answers ? 'RUNNING' : 'STANDS STILL',
          answers ? `${queuedJobs}` : ABSENT,
          answers ? `${connections}` : ABSENT,
        ]),
      ]);

const engineKey = ({ module, operation, algorithm }: EngineStatistics): string =>
  `${module} ${operation} ${algorithm}`;

function engineLines(now: Statistics, before: Statistics | undefined, seconds: number): readonly string[] {
  const known = new Map((before?.engines ?? []).map((engine) => [engineKey(engine), engine]));
  const rows = now.engines.map((engine) => {
    const earlier = known.get(engineKey(engine));
    const bytes = since(engine.inputBytes, earlier?.inputBytes);
    const busy = since(engine.engineMicroseconds, earlier?.engineMicroseconds);
    return [
      engine.module,
      AccelerationStep_Operation[engine.operation] ?? ABSENT,
      engine.algorithm,
      engine.skipped ? 'SKIPPED' : 'USED',
      amount(since(engine.jobs, earlier?.jobs), seconds),
      amount(since(engine.failures, earlier?.failures), seconds),
      megabytes(bytes, seconds),
      // Bytes a microsecond are 10^6 bytes a second.
      busy === 0 ? ABSENT : (bytes / busy).toFixed(0),
    ];
  });
  if (rows.length === 0) return ['no engine has done anything'];
  const unit = seconds > 0 ? '/S' : '';
  const head = ['MODULE', 'OPERATION', 'ALGORITHM', 'STATE', `JOBS${unit}`, `FAILED${unit}`, `MB${unit}`];
  return formatTable([[...head, 'ENGINE MB/S'], ...rows]);
}

function sessionLines(now: Statistics, before: Statistics | undefined, seconds: number): readonly string[] {
  const known = new Map((before?.sessions ?? []).map((session) => [session.sessionUid, session]));
  const done = now.sessions.map((session) => ({
    session,
    difference: differenceOf(session, known.get(session.sessionUid)),
  }));
  const busy = done.filter(({ difference }) => difference.engineMicroseconds > 0);
  const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
  const engineTotal = sumOf(busy.map(({ difference }) => difference.engineMicroseconds));
  const weightTotal = sumOf(busy.map(({ session }) => session.weight));
  const rows = done
    .sort((left, right) => right.difference.engineMicroseconds - left.difference.engineMicroseconds)
    .map(({ session, difference }) => {
      const isBusy = difference.engineMicroseconds > 0;
      return [
        session.sessionUid,
        `${session.epoch}`,
        `${session.connections}`,
        `${session.queuedJobs}`,
        amount(difference.completed, seconds),
        amount(difference.failed, seconds),
        megabytes(difference.inputBytes, seconds),
        isBusy ? percent(difference.engineMicroseconds, engineTotal) : ABSENT,
        isBusy ? percent(session.weight, weightTotal) : ABSENT,
        quantile(difference.latency, 0.5),
        quantile(difference.latency, 0.99),
      ];
    });
  if (rows.length === 0) return ['no sessions'];
  const unit = seconds > 0 ? '/S' : '';
  const head = ['SESSION', 'EPOCH', 'CONNECTIONS', 'QUEUED', `JOBS${unit}`, `FAILED${unit}`, `MB${unit}`];
  return formatTable([[...head, 'SHARE', 'OF WEIGHTS', 'P50', 'P99'], ...rows]);
}

function differenceOf(now: SessionActivity, before: SessionActivity | undefined) {
  return {
    completed: since(now.completedJobs, before?.completedJobs),
    failed: since(now.failedJobs, before?.failedJobs),
    inputBytes: since(now.inputBytes, before?.inputBytes),
    engineMicroseconds: since(now.engineMicroseconds, before?.engineMicroseconds),
    latency: now.latencyBuckets.map((count, bucket) => since(count, before?.latencyBuckets[bucket])),
  };
}

/** A counter that is lower than it was has begun again with 0. */
const since = (now: bigint, before = 0n): number => Number(now >= before ? now - before : now);

const amount = (count: number, seconds: number): string =>
  seconds > 0 ? (count / seconds).toFixed(0) : `${count}`;

const megabytes = (bytes: number, seconds: number): string => (bytes / 1e6 / (seconds || 1)).toFixed(1);

const percent = (part: number, whole: number): string => `${Math.round((100 * part) / whole)} %`;

/** Below which time that fraction of the jobs was done: bucket i counts those below 2^i microseconds. */
function quantile(buckets: readonly number[], fraction: number): string {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return ABSENT;
  let seen = 0;
  const bucket = buckets.findIndex((count) => {
    seen += count;
    return seen >= fraction * total;
  });
  if (bucket === buckets.length - 1) return `>= ${duration(2 ** (bucket - 1))}`;
  return `< ${duration(2 ** bucket)}`;
}

const duration = (microseconds: number): string =>
  microseconds < 1000
    ? `${microseconds} us`
    : microseconds < 1_000_000
      ? `${Math.round(microseconds / 1000)} ms`
      : `${Math.round(microseconds / 1_000_000)} s`;
