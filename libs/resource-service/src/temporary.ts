import type { AppError } from '@outboard/core';

/** Whether a change that could not be written may be written later, once the store or the load is another. */
export const isTemporary = ({ code }: AppError): boolean =>
  code !== 'INTERNAL' && code !== 'INVALID_ARGUMENT' && code !== 'ALREADY_EXISTS' && code !== 'ABORTED';
