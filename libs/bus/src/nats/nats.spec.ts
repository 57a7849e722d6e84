import { startNatsServer } from '@outboard/testkit';
import { busContract } from '../contract-suite.js';
import { connectNats } from './bus.js';

busContract('NATS', async () => {
  const server = await startNatsServer();
  let connections = 0;
  return {
    connect: () => connectNats({ servers: server.url, name: `contract ${++connections}` }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});
