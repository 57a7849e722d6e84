import type { Endpoint } from '@outboard/contracts';

/** What a port receives and sends at most, in 1000 bits a second; 0: not limited. */
export type Bandwidth = Pick<Endpoint, 'ingressKbps' | 'egressKbps'>;

/** How a rate is kept: a bucket that fills with it, of bytes, and a queue of as many bytes for what has to wait. */
export interface TokenBucket {
  readonly burst: number;
  readonly limit: number;
}

const BURST_SECONDS = 0.02;
const QUEUE_SECONDS = 0.05;
const POLICED_BURST_SECONDS = 0.1;
/** Some frames, whatever the rate is. */
const LEAST_BYTES = 32 * 1024;

export const bytesPerSecondOf = (kbps: number): number => kbps * 125;

export function bucketOf(bytesPerSecond: number): TokenBucket {
  const burst = Math.max(LEAST_BYTES, Math.ceil(bytesPerSecond * BURST_SECONDS));
  return { burst, limit: burst + Math.max(LEAST_BYTES, Math.ceil(bytesPerSecond * QUEUE_SECONDS)) };
}

/**
 * Bytes of a bucket where nothing waits, and what is more is dropped: TCP sends a window at once, and takes each drop for
 * congestion.
 */
export const policedBurst = (bytesPerSecond: number): number =>
  Math.max(4 * LEAST_BYTES, Math.ceil(bytesPerSecond * POLICED_BURST_SECONDS));

/** Why bandwidths cannot be limited; undefined: they can, or there is none. */
export function bandwidthObstacle(
  { ingressKbps, egressKbps }: Bandwidth,
  lacks: ReadonlyMap<string, string>,
): string | undefined {
  const lacking = ingressKbps + egressKbps > 0 ? lacks.get('bandwidth') : undefined;
  return lacking === undefined ? undefined : `bandwidths cannot be limited here: ${lacking}`;
}
