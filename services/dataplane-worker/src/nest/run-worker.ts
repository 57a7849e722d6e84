import { runProcess } from '@outboard/service-shell/process';
import { readConfiguration } from '../app/configuration.js';
import { startWorker } from './start-worker.js';

await runProcess({
  service: 'dataplane-worker',
  configure: readConfiguration,
  logBase: ({ dpu }) => ({ dpu }),
  start: async (configuration, log) => {
    const worker = await startWorker(configuration, log);
    let isReady = false;
    // To load Nest takes as long as everything else until then: the dataplane is adopted first.
    const hosted = worker.ready.then(async () => {
      isReady = true;
      const { hostWorker } = await import('./host-worker.js');
      return hostWorker(worker, log);
    });
    return {
      ready: worker.ready.then((readiness) => ({ ...readiness })),
      closed: Promise.all([worker.closed, hosted]),
      async [Symbol.asyncDispose]() {
        if (isReady) await (await hosted).close();
        else await worker[Symbol.asyncDispose]();
      },
    };
  },
});
