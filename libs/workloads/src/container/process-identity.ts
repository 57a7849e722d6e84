import { readFileSync } from 'node:fs';

/** A process that cannot be taken for a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in ticks since boot (proc_pid_stat(5), field 22). */
  readonly startTime: string;
}

/** Undefined: no such process runs; one that has ended and that nobody has waited for does not run. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = pid > 0 ? read(`/proc/${pid}/stat`) : undefined;
  if (stat === undefined) return undefined;
  // From field 3 on: the name before it may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = ''] = fields;
  return 'ZX'.includes(state) ? undefined : { pid, startTime: fields[19] ?? '' };
}

export const isRunning = (process: ProcessIdentity | undefined): boolean =>
  process !== undefined && identify(process.pid)?.startTime === process.startTime;

/** Whether the process is the conmon of that container: it was started with its name. */
export const isMonitorOf = (container: string, pid: number): boolean =>
  pid > 0 && read(`/proc/${pid}/cmdline`)?.includes(`\0--cid\0${container}\0`) === true;

/** The number that a file consists of; undefined: it does not. */
export function readNumber(path: string): number | undefined {
  const text = read(path)?.trim() ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
