import { formatTable } from './table.js';
import { formatAge } from './values.js';

/** One running instance of a service, from its answers to discovery (ADR-32 of NATS). */
export interface ServiceInstance {
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly description: string;
  /** Milliseconds since the epoch; undefined: it does not tell. */
  readonly started: number | undefined;
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds that a request took, on average. */
  readonly milliseconds: number;
  /** Empty: there was none. */
  readonly lastError: string;
  /** Why it does only a part of what it is for; empty: it says of none. */
  readonly problem: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The instances that have answered, in the order of their names and ids. */
export function readInstances(
  infos: readonly Json[],
  statistics: readonly Json[],
): readonly ServiceInstance[] {
  const descriptions = new Map(infos.map((info) => [info.id, String(info.description ?? '')]));
  const instances = statistics.map((answer): ServiceInstance => {
    const endpoints = Array.isArray(answer.endpoints) ? (answer.endpoints as readonly Json[]) : [];
    const sum = (field: string): number =>
      endpoints.reduce((total, endpoint) => total + (Number(endpoint[field]) || 0), 0);
    const requests = sum('num_requests');
    const started = Date.parse(String(answer.started));
    const failing = endpoints.find(({ last_error }) => typeof last_error === 'string' && last_error !== '');
    return {
      name: String(answer.name),
      id: String(answer.id),
      version: String(answer.version),
      description: descriptions.get(answer.id) ?? '',
      started: Number.isNaN(started) ? undefined : started,
      requests,
      errors: sum('num_errors'),
      milliseconds: requests === 0 ? 0 : sum('processing_time') / requests / 1e6,
      lastError: String(failing?.last_error ?? ''),
      problem: typeof answer.problem === 'string' ? answer.problem : '',
    };
  });
  return instances.sort((left, right) => compare(left.name, right.name) || compare(left.id, right.id));
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Services in lines for people. */
export function formatInstances(instances: readonly ServiceInstance[], now: number): readonly string[] {
  return formatTable([
    ['SERVICE', 'VERSION', 'INSTANCE', 'UP', 'REQUESTS', 'ERRORS', 'MEAN', 'LAST-ERROR', 'PROBLEM'],
    ...instances.map(({ name, version, id, started, requests, errors, milliseconds, lastError, problem }) => [
      name,
      version,
      id,
      started === undefined ? '-' : formatAge(now - started),
      String(requests),
      String(errors),
      `${milliseconds.toFixed(2)}ms`,
      lastError === '' ? '-' : lastError,
      problem === '' ? '-' : problem,
    ]),
  ]);
}
