import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { DataplaneWorker } from '../app/worker.js';

/** Token of the running DataplaneWorker. */
export const DATAPLANE_WORKER = Symbol('DataplaneWorker');

/** The running worker as part of a Nest application: it ends with the application. */
@Module({})
export class WorkerModule implements OnApplicationShutdown {
  constructor(@Inject(DATAPLANE_WORKER) private readonly worker: DataplaneWorker) {}

  static running(worker: DataplaneWorker): DynamicModule {
    return {
      module: WorkerModule,
      providers: [{ provide: DATAPLANE_WORKER, useValue: worker }],
      exports: [DATAPLANE_WORKER],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.worker[Symbol.asyncDispose]();
  }
}
