#!/usr/bin/env node
// A stateful firewall as a CNF: a bump in the wire between its ports `ingress` and `egress`.
import { serveInterfaces } from '../interface-server.mjs';
import { makeBump } from './bump.mjs';
import { Firewall } from './firewall.mjs';

const firewall = new Firewall();
// The rules first: what passes before they stand has passed.
await firewall.start();
await makeBump();
const stop = await serveInterfaces({
  directory: process.env.OUTBOARD_DIRECTORY,
  interfaces: [firewall],
  isHealthy: () => firewall.isHealthy(),
});
console.log(JSON.stringify({ event: 'ready' }));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => stop().then(() => process.exit(0)));
}
