import { SUBJECT_PREFIX } from '@outboard/contracts';
import type { StreamSpec } from './port.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const MEBIBYTE = 1024 * 1024;

/** What every stream has unless it says otherwise. */
const COMMON = {
  storage: 'file',
  retention: 'limits',
  whenFull: 'discard-oldest',
  maxMessageBytes: MEBIBYTE,
  maxMessagesPerSubject: -1,
  // Within it JetStream drops a repetition by its id; later ones the services recognise by their own memory.
  duplicateWindowMilliseconds: 2 * MINUTE,
} as const;

/** Every stream of Outboard. A service makes them so when it starts. */
export const STREAMS: readonly StreamSpec[] = [
  {
    ...COMMON,
    // A limited log and not a work queue: two APIs consume it, and what was asked can be looked up afterwards.
    name: 'OUTBOARD_INTENT',
    subjects: [`${SUBJECT_PREFIX}.intent.>`],
    maxAgeMilliseconds: 7 * DAY,
    maxBytes: 512 * MEBIBYTE,
    // An intent that nobody has handled must not vanish for a newer one.
    whenFull: 'refuse',
  },
  {
    ...COMMON,
    name: 'OUTBOARD_EVENT',
    subjects: [`${SUBJECT_PREFIX}.event.>`],
    maxAgeMilliseconds: 30 * DAY,
    maxBytes: 512 * MEBIBYTE,
  },
  {
    ...COMMON,
    name: 'OUTBOARD_STATE',
    subjects: [`${SUBJECT_PREFIX}.state.>`],
    maxAgeMilliseconds: 0,
    maxBytes: 1024 * MEBIBYTE,
    maxMessagesPerSubject: 1,
    // Forgetting the state of something that is still there would tell a watcher a lie.
    whenFull: 'refuse',
  },
  {
    ...COMMON,
    // Hints: whoever misses one asks for the document.
    name: 'OUTBOARD_DELTA',
    subjects: [`${SUBJECT_PREFIX}.dpu.*.delta.>`],
    storage: 'memory',
    maxAgeMilliseconds: MINUTE,
    maxBytes: 64 * MEBIBYTE,
    duplicateWindowMilliseconds: MINUTE,
  },
  {
    ...COMMON,
    name: 'OUTBOARD_DEAD',
    subjects: [`${SUBJECT_PREFIX}.dead.>`],
    maxAgeMilliseconds: 30 * DAY,
    maxBytes: 1024 * MEBIBYTE,
    whenFull: 'refuse',
  },
];
