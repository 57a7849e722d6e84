import { APIS, MAX_BODY_BYTES, SUBJECT_PREFIX, subjects } from '@outboard/contracts';
import type { StreamSpec } from './port.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;

/** A body of the largest size with its headers. */
const LARGEST_MESSAGE = MAX_BODY_BYTES + 32 * 1024;

/**
 * How long a stream itself recognises a message id, so that a publisher may send again without asking. It covers the
 * seconds of a reconnect; a repetition after minutes or days is recognised by the store's memory of message ids.
 */
const DUPLICATE_WINDOW = 2 * MINUTE;

/**
 * Intents that may wait. Of a kilobyte each, they are this many before they are as many bytes as the stream may have: at its
 * limit of messages nats-server refuses exactly what is too much, at that of bytes 2.9 also forgets the oldest that it has taken.
 */
const MAX_INTENTS = 100_000;

/** The streams that Outboard uses: the one table, which provisioning, permissions and documentation are made from. */
export const STREAM = {
  /**
   * Intents wait here until their owner has settled them, however long it is away: a work queue without an age limit,
   * so its size is what is not handled yet. A log of the same size would fill with handled intents and then refuse new
   * ones, or forget the oldest that nobody has seen. Captures exactly what has an owner: anything else would stay for
   * ever, so its publisher is told that nobody takes it.
   */
  intent: {
    name: 'OUTBOARD_INTENT',
    subjects: APIS.map(subjects.allIntents),
    storage: 'file',
    retention: 'workqueue',
    maxAgeMilliseconds: 0,
    maxBytes: GIBIBYTE / 2,
    whenFull: 'refuse',
    maxMessageBytes: LARGEST_MESSAGE,
    maxMessages: MAX_INTENTS,
    maxMessagesPerSubject: -1,
    duplicateWindowMilliseconds: DUPLICATE_WINDOW,
  },
  /** What happened, replayable for a month or until the space is used up. */
  event: {
    name: 'OUTBOARD_EVENT',
    subjects: [`${SUBJECT_PREFIX}.event.>`],
    storage: 'file',
    retention: 'limits',
    maxAgeMilliseconds: 30 * DAY,
    maxBytes: GIBIBYTE / 2,
    whenFull: 'discard-oldest',
    maxMessageBytes: LARGEST_MESSAGE,
    maxMessages: -1,
    maxMessagesPerSubject: -1,
    duplicateWindowMilliseconds: DUPLICATE_WINDOW,
  },
  /** The last value of every object: list and watch. Never forgets one to make room for another. */
  state: {
    name: 'OUTBOARD_STATE',
    subjects: [`${SUBJECT_PREFIX}.state.>`],
    storage: 'file',
    retention: 'limits',
    maxAgeMilliseconds: 0,
    maxBytes: GIBIBYTE,
    whenFull: 'refuse',
    maxMessageBytes: LARGEST_MESSAGE,
    maxMessages: -1,
    maxMessagesPerSubject: 1,
    duplicateWindowMilliseconds: DUPLICATE_WINDOW,
  },
  /** Changes on their way to the workers, which listen without a consumer; kept only to acknowledge their publisher. */
  delta: {
    name: 'OUTBOARD_DELTA',
    subjects: [`${SUBJECT_PREFIX}.dpu.*.delta.>`],
    storage: 'memory',
    retention: 'limits',
    maxAgeMilliseconds: MINUTE,
    maxBytes: 64 * MEBIBYTE,
    whenFull: 'discard-oldest',
    maxMessageBytes: LARGEST_MESSAGE,
    maxMessages: -1,
    maxMessagesPerSubject: -1,
    duplicateWindowMilliseconds: MINUTE,
  },
  /**
   * Parked messages, for an operator to look at, replay or drop. Forgets the oldest rather than refuse: refused letters
   * would have to stay where they are, and a flood of them would stop the work.
   */
  dead: {
    name: 'OUTBOARD_DEAD',
    subjects: [`${SUBJECT_PREFIX}.dead.>`],
    storage: 'file',
    retention: 'limits',
    maxAgeMilliseconds: 30 * DAY,
    maxBytes: GIBIBYTE / 2,
    whenFull: 'discard-oldest',
    maxMessageBytes: LARGEST_MESSAGE + 64 * 1024,
    maxMessages: -1,
    maxMessagesPerSubject: -1,
    duplicateWindowMilliseconds: DUPLICATE_WINDOW,
  },
} as const satisfies Readonly<Record<string, StreamSpec>>;

/** All of them, as `provision` takes them. */
export const STREAMS: readonly StreamSpec[] = Object.values(STREAM);
