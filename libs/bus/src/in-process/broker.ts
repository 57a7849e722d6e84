import type { StreamBus } from '../port.js';
import { InProcessBus } from './bus.js';
import { Exchange } from './exchange.js';

/**
 * A message broker inside the process: the one-process mode, and the reference that the tests compare NATS with. What
 * several buses of one broker send each other takes the same way as over NATS: copied, asynchronous, in order.
 * Its streams live as long as it does.
 */
export class InProcessBroker extends Exchange {
  /** A bus of its own, as a separate connection would be. */
  connect(): StreamBus {
    return new InProcessBus(this);
  }
}
