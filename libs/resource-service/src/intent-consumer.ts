import type { ConsumerSpec } from '@outboard/bus';
import { type Api, subjects } from '@outboard/contracts';

/** How a service takes the intents of its API: those of one resource in order, many resources at once. */
export const intentConsumer = (api: Api): ConsumerSpec => ({
  stream: 'OUTBOARD_INTENT',
  durable: `${api}-intents`,
  filterSubject: subjects.allIntents(api),
  // Enough to fill the groups that are committed while the next ones arrive.
  maxInFlight: 1024,
  backoffMilliseconds: [100, 500, 2_000, 10_000, 30_000],
  // Only what the store cannot take is delivered again: hours of that (a full disk) must not empty the stream.
  maxDeliveries: 1_000,
});
