import { create } from '@bufbuild/protobuf';
import {
  type SessionActivity as Activity,
  type DataPathActivity,
  type FaultActivity,
  LATENCY_BUCKETS,
} from '@outboard/acceleration';
import {
  AccelerationFault_Kind,
  type AccelerationStatisticsResponse,
  AccelerationStatisticsResponseSchema,
  AccelerationStep_Operation,
  type InjectedFault,
  InjectedFaultSchema,
  type SessionActivity,
  SessionActivitySchema,
} from '@outboard/contracts';

/** What a session has done, as it is told. */
export const sessionActivity = ({ counters, ...session }: Activity): SessionActivity =>
  create(SessionActivitySchema, {
    sessionUid: session.sessionUid,
    epoch: session.epoch,
    weight: session.weight,
    connections: session.connections,
    queuedJobs: session.queuedJobs,
    completedJobs: BigInt(counters.completedJobs),
    failedJobs: BigInt(counters.failedJobs),
    inputBytes: BigInt(counters.inputBytes),
    outputBytes: BigInt(counters.outputBytes),
    engineMicroseconds: microseconds(counters.engineNanoseconds),
    latencyBuckets: counters.latency.slice(0, LATENCY_BUCKETS).map(BigInt),
  });

/** A fault in force, as it is told. */
export const injectedFault = ({ fault, injected }: FaultActivity): InjectedFault =>
  create(InjectedFaultSchema, {
    id: fault.id,
    injected,
    fault: {
      kind: AccelerationFault_Kind[fault.kind],
      operation: AccelerationStep_Operation[fault.operation],
      algorithm: fault.algorithm,
      module: fault.module,
      count: fault.count,
      interval: fault.interval,
      delayMilliseconds: fault.delayMilliseconds,
    },
  });

/** A page of sessions with all else. */
export function statistics(
  { threads, engines, faults }: DataPathActivity,
  sessions: readonly Activity[],
  rest: Pick<
    AccelerationStatisticsResponse,
    'incarnation' | 'monotonicMicroseconds' | 'more' | 'injectsFaults'
  >,
): AccelerationStatisticsResponse {
  return create(AccelerationStatisticsResponseSchema, {
    ...rest,
    threads: threads.map(({ lane, index, activity }) => ({
      lane,
      index,
      answers: activity !== undefined,
      queuedJobs: activity?.queuedJobs ?? 0,
      connections: activity?.sessions.reduce((sum, { connections }) => sum + connections, 0) ?? 0,
    })),
    engines: engines.map((engine) => ({
      operation: AccelerationStep_Operation[engine.operation],
      algorithm: engine.algorithm,
      module: engine.module,
      jobs: BigInt(engine.jobs),
      failures: BigInt(engine.failures),
      inputBytes: BigInt(engine.inputBytes),
      engineMicroseconds: microseconds(engine.engineNanoseconds),
      skipped: engine.breaker === 'OPEN',
      skippedTimes: engine.opened,
    })),
    sessions: sessions.map(sessionActivity),
    faults: faults.map(injectedFault),
  });
}

const microseconds = (nanoseconds: number): bigint => BigInt(Math.round(nanoseconds / 1000));
