// A writer's thread that dies over the first group that it is to write.
import { parentPort } from 'node:worker_threads';

parentPort.on('message', () => process.exit(1));
parentPort.postMessage({ kind: 'open' });
