import { constants } from 'node:os';

const NAMES = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) NAMES.set(number, name);
// What nfnetlink and rtnetlink answer and Node does not name (asm-generic/errno.h), and the usual one of two names.
NAMES.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP').set(constants.errno.EAGAIN, 'EAGAIN');
NAMES.set(64, 'ENONET').set(76, 'ENOTUNIQ').set(85, 'ERESTART').set(112, 'EHOSTDOWN').set(524, 'ENOTSUPP');

/** The symbolic name of a positive errno: `1` gives `EPERM`; an unknown one gives `E<number>`. */
export const errnoName = (errno: number): string => NAMES.get(errno) ?? `E${errno}`;

/** A system call that failed: its name, the positive errno, and the errno's name as `code`. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly code: string;

  constructor(
    readonly syscall: string,
    readonly errno: number,
    /** What the call was about: a path, a namespace, a device. */
    readonly subject?: string,
  ) {
    super(`${syscall}${subject === undefined ? '' : ` ${subject}`}: ${errnoName(errno)} (${errno})`);
    this.code = errnoName(errno);
  }
}
