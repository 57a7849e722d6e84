import { busContract } from '../contract-suite.js';
import { InProcessBroker } from './broker.js';

busContract('in process', async () => {
  const broker = new InProcessBroker();
  return {
    connect: async () => broker.connect(),
    [Symbol.asyncDispose]: async () => {},
  };
});
