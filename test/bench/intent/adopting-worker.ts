/**
 * The worker of `adoption`, as a process of its own: opens the driver, adopts what is there, and takes over the document. Its
 * last line says that all of it was read back, and how many changes of the kernel that took.
 */

import { adoptedDocument } from './document.js';
import { Worker } from './worker.js';

const [name = '', namespace = '', underlayDevice = '', ports = '', local = ''] = process.argv.slice(2);
const worker = await Worker.open(name, { namespace, underlayDevice });
await worker.apply(worker.documents.whole(adoptedDocument(Number(ports), Number(local))));
await worker.engine.settled();
const megabytes = process.memoryUsage().rss / 2 ** 20;
process.stdout.write(`${JSON.stringify({ operations: worker.operations, megabytes })}\n`);
// Stays until it is killed, as a worker does.
setInterval(() => undefined, 60_000);
