import type { ConditionUpdateOf, Termination, Workload } from '@outboard/model';

type Healthy = Extract<ConditionUpdateOf<'Workload'>, { type: 'Healthy' }>;

/**
 * What the status of a workload means.
 *
 * @param reported the generation that its DPU tells of.
 */
export function healthOf({ metadata, status }: Workload, reported: number, isConnected: boolean): Healthy {
  const healthy = (reason: Healthy['reason'], message: string): Healthy => ({
    type: 'Healthy',
    reason,
    message,
  });
  const { state, ready, message, lastTermination, dpu } = status;
  if (dpu === undefined || state === undefined) return healthy('NeverReported', message);
  if (!isConnected) return healthy('DpuUnreachable', `lease of ${dpu} expired; it was ${state}`);
  if (reported !== metadata.generation)
    return healthy('Starting', `${dpu} does not have generation ${metadata.generation} yet`);
  switch (state) {
    case 'RUNNING':
      return ready ? healthy('Running', `runs on ${dpu}`) : healthy('NotReady', message);
    case 'SUCCEEDED':
      return healthy('Running', 'has done its work');
    case 'FAILED':
      return healthy('Failed', textOf(lastTermination));
    case 'STOPPING':
      return healthy('Stopping', '');
    case 'BACKOFF':
      if (lastTermination?.reason === 'CANNOT_START') return healthy('CannotStart', message);
      return message === ''
        ? healthy('BackingOff', textOf(lastTermination))
        : healthy('CrashLoop', `${message}; last: ${textOf(lastTermination)}`);
    default:
      return healthy('Starting', message);
  }
}

function textOf(termination: Termination | undefined): string {
  if (termination === undefined) return '';
  const { reason, exitCode, signal, message } = termination;
  const how = signal !== '' ? signal : exitCode === undefined ? '' : `exit code ${exitCode}`;
  return [reason, how, message].filter((part) => part !== '').join(', ');
}
