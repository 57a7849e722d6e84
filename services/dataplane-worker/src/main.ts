import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { pino } from 'pino';
import { parseConfiguration } from './app/configuration.js';
import type { DataplaneWorker } from './app/worker.js';
import { nestLogger } from './nest/nest-logger.js';
import { startWorker } from './nest/start-worker.js';
import { DATAPLANE_WORKER, WorkerModule } from './nest/worker.module.js';

/** Who supervises the process kills it after five seconds: this is when it ends on its own, in order or not. */
const SHUTDOWN_MILLISECONDS = 4_000;

async function main(): Promise<void> {
  const configuration = parseConfiguration(process.env);
  if (!configuration.ok) {
    for (const { field, description } of configuration.error.violations) {
      process.stderr.write(`${field} ${description}\n`);
    }
    process.exitCode = 1;
    return;
  }
  const { dpu, logLevel } = configuration.value;
  // Standard output is for what programs wait for.
  const log = pino({ level: logLevel, base: { service: 'dataplane-worker', dpu } }, pino.destination(2));
  const fail = (failure: unknown): void => {
    log.fatal({ err: failure }, 'the worker ends by a failure');
    process.exit(1);
  };
  process.on('uncaughtException', fail).on('unhandledRejection', fail);

  const module = WorkerModule.running(() => startWorker(configuration.value, log));
  const application = await NestFactory.createApplicationContext(module, {
    logger: nestLogger(log),
    abortOnError: false,
  });
  const end = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'the worker ends; the dataplane stays as it is');
    setTimeout(() => fail(new Error('it did not end in time')), SHUTDOWN_MILLISECONDS).unref();
    application.close().then(() => process.exit(0), fail);
  };
  process.once('SIGTERM', end).once('SIGINT', end);

  const worker = application.get<DataplaneWorker>(DATAPLANE_WORKER);
  worker.closed.catch(fail);
  const readiness = await worker.ready;
  const milliseconds = Math.round(performance.now());
  log.info({ ...readiness, milliseconds }, 'ready');
  process.stdout.write(
    `${JSON.stringify({ event: 'ready', service: 'dataplane-worker', dpu, ...readiness })}\n`,
  );
}

await main();
