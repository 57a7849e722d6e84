import type { LoggerService } from '@nestjs/common';
import type { Log } from './log.js';

/** Nest's own words in the process's log; how it builds itself up is of interest at `debug` only. */
export const nestLogger = (log: Log): LoggerService => ({
  log: (message: unknown, ...details: unknown[]) => log.debug({ details }, String(message)),
  debug: (message: unknown, ...details: unknown[]) => log.debug({ details }, String(message)),
  warn: (message: unknown, ...details: unknown[]) => log.warn({ details }, String(message)),
  error: (message: unknown, ...details: unknown[]) => log.error({ details }, String(message)),
});
