import { type Logger, pino } from 'pino';
import type { LogLevel } from './common-configuration.js';
import { EnvironmentReader } from './environment.js';

/** Who supervises the process kills it after five seconds: this is when it ends on its own, in order or not. */
const SHUTDOWN_MILLISECONDS = 4_000;

/** What runs in a process. */
export interface RunningProcess extends AsyncDisposable {
  /** Facts for those who wait for the process: printed with the `ready` line. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Rejects when it cannot go on. */
  readonly closed?: Promise<unknown>;
}

export interface ProcessDefinition<Configuration extends { readonly logLevel: LogLevel }> {
  readonly service: string;
  /** Problems are collected by the reader; the value is used only if there are none. */
  readonly configure: (environment: EnvironmentReader) => Configuration;
  /** Fields of every line of the log. */
  readonly logBase?: (configuration: Configuration) => Readonly<Record<string, unknown>>;
  readonly start: (configuration: Configuration, log: Logger) => Promise<RunningProcess>;
}

/**
 * The life of a process: configuration with every problem at once, start, one line `{"event":"ready",...}` on standard
 * output, an orderly end on SIGTERM and SIGINT, a logged one with exit code 1 on failures. The log goes to standard
 * error.
 */
export async function runProcess<Configuration extends { readonly logLevel: LogLevel }>(
  definition: ProcessDefinition<Configuration>,
): Promise<void> {
  const environment = new EnvironmentReader(process.env);
  const configuration = definition.configure(environment);
  if (environment.problems.total > 0) {
    for (const { field, description } of environment.problems.violations) {
      process.stderr.write(`${field} ${description}\n`);
    }
    process.exitCode = 1;
    return;
  }
  const { service } = definition;
  const base = { service, ...definition.logBase?.(configuration) };
  // Standard output is for what programs wait for.
  const log = pino({ level: configuration.logLevel, base }, pino.destination(2));
  const fail = (failure: unknown): void => {
    log.fatal({ err: failure }, `${service} ends by a failure`);
    process.exit(1);
  };
  process.on('uncaughtException', fail).on('unhandledRejection', fail);

  let running: RunningProcess | undefined;
  const end = (signal: NodeJS.Signals): void => {
    log.info({ signal }, `${service} ends`);
    // What waits for a bus has nothing to put in order; all of it is made to be killed at any time.
    if (!running) process.exit(0);
    setTimeout(() => fail(new Error('it did not end in time')), SHUTDOWN_MILLISECONDS).unref();
    running[Symbol.asyncDispose]().then(() => process.exit(0), fail);
  };
  process.once('SIGTERM', end).once('SIGINT', end);
  running = await definition.start(configuration, log);
  running.closed?.catch(fail);
  const facts = await running.ready;
  log.info({ ...facts, milliseconds: Math.round(performance.now()) }, 'ready');
  process.stdout.write(`${JSON.stringify({ event: 'ready', ...base, ...facts })}\n`);
}
