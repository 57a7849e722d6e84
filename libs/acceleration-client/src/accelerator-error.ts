import { type StatusClass, type StatusName, statusClass } from '@outboard/acceleration';

/** A job that was not done, and what can be done about it. */
export class AcceleratorError extends Error {
  override readonly name = 'AcceleratorError';

  constructor(
    readonly status: StatusName,
    /** The step that failed, from 1; 0: none of them. */
    readonly failedStep = 0,
    detail = '',
    /** What of the status only this client knows: a session that is nowhere any more is no session that has moved. */
    readonly endsForGood = false,
  ) {
    super(`${status}${failedStep > 0 ? ` in step ${failedStep}` : ''}${detail === '' ? '' : `: ${detail}`}`);
  }

  get class(): StatusClass {
    return this.endsForGood ? 'FINAL' : statusClass(this.status);
  }
}
