// What hosts acceleration, as it was built, in a process of its own that a test can kill:
// `acceleration-process.mjs SOCKETS DATA`. The public key is its first line; each line on standard input is a document
// (keys to base64), answered when it is served.
import { createInterface } from 'node:readline';
import { systemClock, systemRandom } from '@outboard/core';
import { hostAcceleration } from '../../dist/acceleration/host-acceleration.js';

const [socketDirectory, dataDirectory] = process.argv.slice(2);
const ignore = () => {};
const acceleration = await hostAcceleration({
  socketDirectory,
  dataDirectory,
  lightThreads: 1,
  heavyThreads: 1,
  clock: systemClock,
  random: systemRandom,
  log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
});
// There is no broker that would renew it.
await acceleration.dataPath.renewLease(Number.POSITIVE_INFINITY);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ publicKey: Buffer.from(acceleration.inventory.sealingPublicKey).toString('base64') });
acceleration.engine.onReport(({ problems }) => say({ problems: problems.map(({ message }) => message) }));
let sequence = 0n;
for await (const line of createInterface({ input: process.stdin })) {
  const entries = Object.entries(JSON.parse(line));
  acceleration.engine.submit({
    owner: 'acceleration',
    version: { epoch: 'one', sequence: ++sequence, digest: new Uint8Array(16) },
    complete: new Map(entries.map(([key, object]) => [key, Buffer.from(object, 'base64')])),
  });
}
await acceleration[Symbol.asyncDispose]();
