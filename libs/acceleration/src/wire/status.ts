/** How a job, or the beginning of a connection, ended: the numbers of frames. */
export const STATUS = {
  OK: 0,
  /** Not begun: more is in flight than was granted, or nothing can be granted now. */
  BUSY: 1,
  /** The token is not the session's, or the process at the other end is not who may have it. */
  UNAUTHENTICATED: 2,
  /** An authentication tag, code, digest or checksum is another one. There is no output. */
  VERIFICATION_FAILED: 3,
  /** The output has no room for it; `produced` tells how much is needed, where that is known. */
  OUTPUT_TOO_SMALL: 4,
  /** The job breaks a rule of the frame format or of its program. */
  INVALID_ARGUMENT: 5,
  /** The session is not here, or has no such program. */
  NOT_FOUND: 6,
  /** The session has moved on: another worker, or this one under a later epoch, serves it. */
  STALE_EPOCH: 7,
  /** The key was destroyed, has not come, or may not do this any more. */
  KEY_UNAVAILABLE: 8,
  /** No engine of this DPU does it. */
  UNSUPPORTED: 9,
  /** A limit of the session or the key is used up. */
  RESOURCE_EXHAUSTED: 10,
  /** Not begun before its deadline. */
  DEADLINE_EXCEEDED: 11,
  CANCELLED: 12,
  /** What was to be decompressed is no such data. */
  CORRUPT_INPUT: 13,
  /** The engine failed; another one may not. */
  ENGINE_FAILED: 14,
  /** The worker ends, or gives the session up. */
  UNAVAILABLE: 15,
} as const;

export type StatusName = keyof typeof STATUS;
export type Status = (typeof STATUS)[StatusName];

const NAMES = new Map(Object.entries(STATUS).map(([name, value]) => [value as number, name as StatusName]));

/** The name of a status of this version; one of a later version is an engine's failure to an earlier client. */
export const statusName = (status: number): StatusName => NAMES.get(status) ?? 'ENGINE_FAILED';

/**
 * What a caller does about it. RETRY: the same job to the same worker, later. MOVE: the same job, after connecting anew.
 * FALL_BACK: another engine may do it, such as the caller's own. FINAL: it would end the same way anywhere.
 */
export type StatusClass = 'DONE' | 'RETRY' | 'MOVE' | 'FALL_BACK' | 'FINAL';

const CLASSES: Record<StatusName, StatusClass> = {
  OK: 'DONE',
  BUSY: 'RETRY',
  UNAUTHENTICATED: 'FINAL',
  VERIFICATION_FAILED: 'FINAL',
  OUTPUT_TOO_SMALL: 'FINAL',
  INVALID_ARGUMENT: 'FINAL',
  NOT_FOUND: 'MOVE',
  STALE_EPOCH: 'MOVE',
  KEY_UNAVAILABLE: 'FINAL',
  UNSUPPORTED: 'FALL_BACK',
  RESOURCE_EXHAUSTED: 'FINAL',
  DEADLINE_EXCEEDED: 'FINAL',
  CANCELLED: 'FINAL',
  CORRUPT_INPUT: 'FINAL',
  ENGINE_FAILED: 'FALL_BACK',
  UNAVAILABLE: 'MOVE',
};

/** Of a status that a job, or a connection, has ended with. */
export const statusClass = (status: StatusName): StatusClass => CLASSES[status];
