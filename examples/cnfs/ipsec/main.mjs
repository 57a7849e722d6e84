#!/usr/bin/env node
// An IPsec gateway as a CNF: strongSwan between its ports `inside` and `outside`.
import { join } from 'node:path';
import { serveInterfaces } from '../interface-server.mjs';
import { startCharon, TUNNEL_DEVICE } from './charon.mjs';
import { Gateway } from './gateway.mjs';
import { Keys } from './keys.mjs';
import { prepareNetwork } from './network.mjs';

const directory = process.env.OUTBOARD_DIRECTORY;
const charon = await startCharon();
let stopping = false;
// Without its daemon it is nothing: who started it starts both again.
charon.ended.then((reason) => {
  if (stopping) return;
  console.error(`ipsec: ${reason}`);
  process.exit(1);
});
await prepareNetwork(TUNNEL_DEVICE);
const gateway = new Gateway(
  charon.vici,
  new Keys(process.env.IPSEC_KEYS_DIRECTORY ?? join(directory, 'keys')),
);
const stop = await serveInterfaces({
  directory,
  interfaces: [gateway],
  isHealthy: () => gateway.isHealthy(),
});
gateway.keep();
console.log(JSON.stringify({ event: 'ready' }));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    stopping = true;
    gateway.stop();
    await stop();
    // It tells its peers.
    await charon.stop();
    process.exit(0);
  });
}
