import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

/** Nest's own words in the process's log; how it builds itself up is of interest at `debug` only. */
export const nestLogger = (log: Logger): LoggerService => ({
  log: (message: unknown, ...details: unknown[]) => log.debug({ details }, String(message)),
  debug: (message: unknown, ...details: unknown[]) => log.debug({ details }, String(message)),
  warn: (message: unknown, ...details: unknown[]) => log.warn({ details }, String(message)),
  error: (message: unknown, ...details: unknown[]) => log.error({ details }, String(message)),
});
