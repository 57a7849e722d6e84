import { FLAG, type Header, isWithin, MAXIMUM_TRANSFER } from '../wire/frame.js';
import { type Metadata, readMetadata } from '../wire/metadata.js';
import { REGION } from '../wire/ring.js';
import { STATUS, type Status } from '../wire/status.js';
import type { RegionViews } from './region-views.js';

/** The data of a job, where its header says that it is. */
export interface JobData {
  readonly input: Uint8Array;
  readonly inputShared: boolean;
  /** In shared memory; -1: inline. */
  readonly outputOffset: number;
  readonly outputLength: number;
  readonly metadata: Metadata;
}

const KNOWN_FLAGS = FLAG.INPUT_SHARED | FLAG.OUTPUT_SHARED;

/**
 * Checks everything that a SUBMIT says of its data. `metadata` and `payload` are private memory; the region is only
 * measured, not read.
 */
export function locateData(
  header: Header,
  metadata: Uint8Array,
  payload: Uint8Array,
  region: RegionViews | undefined,
): JobData | Status {
  const { flags, inputLength, outputLength, inputOffset, outputOffset } = header;
  if ((flags & ~KNOWN_FLAGS) !== 0) return STATUS.INVALID_ARGUMENT;
  if (inputLength > MAXIMUM_TRANSFER || outputLength > MAXIMUM_TRANSFER) return STATUS.INVALID_ARGUMENT;
  const inputShared = (flags & FLAG.INPUT_SHARED) !== 0;
  const outputShared = (flags & FLAG.OUTPUT_SHARED) !== 0;
  if (payload.length !== (inputShared ? 0 : inputLength)) return STATUS.INVALID_ARGUMENT;
  const isInside = (offset: number, length: number): boolean =>
    region !== undefined && isWithin(offset, length, REGION.payload, region.length);
  if (inputShared && !isInside(inputOffset, inputLength)) return STATUS.INVALID_ARGUMENT;
  if (outputShared && !isInside(outputOffset, outputLength)) return STATUS.INVALID_ARGUMENT;
  // A job that is tried again must find its input as it was.
  const overlaps = inputOffset < outputOffset + outputLength && outputOffset < inputOffset + inputLength;
  if (inputShared && outputShared && inputLength > 0 && outputLength > 0 && overlaps) {
    return STATUS.INVALID_ARGUMENT;
  }
  const parsed = readMetadata(metadata);
  if (parsed === undefined) return STATUS.INVALID_ARGUMENT;
  const input = inputShared && region !== undefined ? region.view(inputOffset, inputLength) : payload;
  return {
    input,
    inputShared,
    outputOffset: outputShared ? outputOffset : -1,
    outputLength,
    metadata: parsed,
  };
}
