import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Log, nestLogger } from '@outboard/service-shell/process';
import type { DataplaneWorker } from '../app/worker.js';
import { WorkerModule } from './worker.module.js';

/** The worker as a Nest application, which ends it when it is closed. */
export const hostWorker = (worker: DataplaneWorker, log: Log): Promise<INestApplicationContext> =>
  NestFactory.createApplicationContext(WorkerModule.running(worker), {
    logger: nestLogger(log),
    abortOnError: false,
  });
