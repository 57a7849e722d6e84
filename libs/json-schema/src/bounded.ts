import { createContext, Script } from 'node:vm';
import { AppError } from '@outboard/core';

const context = createContext({ action: () => undefined as unknown });
const call = new Script('action()');

/** Of all attempts with an action that gets no processor: whoever waits for it does nothing else. */
const MAX_MILLISECONDS = 4_000;

/**
 * Runs a synchronous action for so long at most, also in the middle of a regular expression that backtracks for ever. V8
 * knows no time but that of a clock on the wall: one that had no processor for most of it is not at fault, and is begun again,
 * some times. Throws AppError DEADLINE_EXCEEDED, or what the action throws.
 */
export function bounded<Value>(milliseconds: number, action: () => Value): Value {
  context.action = action;
  const attempts = Math.max(1, Math.floor(MAX_MILLISECONDS / milliseconds));
  try {
    for (let attempt = 1; ; attempt++) {
      const before = process.cpuUsage();
      try {
        return call.runInContext(context, { timeout: milliseconds }) as Value;
      } catch (failure) {
        if ((failure as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw failure;
        const { user, system } = process.cpuUsage(before);
        const isAtFault = (user + system) / 1000 > milliseconds / 2;
        if (isAtFault || attempt === attempts)
          throw new AppError('DEADLINE_EXCEEDED', `takes more than ${milliseconds} ms`);
      }
    }
  } finally {
    context.action = () => undefined;
  }
}
