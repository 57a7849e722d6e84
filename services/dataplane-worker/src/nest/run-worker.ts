import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { nestLogger, runProcess } from '@outboard/service-shell/process';
import { readConfiguration } from '../app/configuration.js';
import type { DataplaneWorker } from '../app/worker.js';
import { startWorker } from './start-worker.js';
import { DATAPLANE_WORKER, WorkerModule } from './worker.module.js';

await runProcess({
  service: 'dataplane-worker',
  configure: readConfiguration,
  logBase: ({ dpu }) => ({ dpu }),
  start: async (configuration, log) => {
    const module = WorkerModule.running(() => startWorker(configuration, log));
    const application = await NestFactory.createApplicationContext(module, {
      logger: nestLogger(log),
      abortOnError: false,
    });
    const { ready, closed } = application.get<DataplaneWorker>(DATAPLANE_WORKER);
    return {
      ready: ready.then((readiness) => ({ ...readiness })),
      closed,
      [Symbol.asyncDispose]: () => application.close(),
    };
  },
});
