import { createContext, Script } from 'node:vm';
import { AppError } from '@outboard/core';

const context = createContext({ action: () => undefined as unknown });
const call = new Script('action()');

/**
 * Runs a synchronous action for so long at most, also in the middle of a regular expression that backtracks for ever.
 * Throws AppError DEADLINE_EXCEEDED, or what the action throws.
 */
export function bounded<Value>(milliseconds: number, action: () => Value): Value {
  context.action = action;
  try {
    return call.runInContext(context, { timeout: milliseconds }) as Value;
  } catch (failure) {
    if ((failure as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw failure;
    throw new AppError('DEADLINE_EXCEEDED', `takes more than ${milliseconds} ms`);
  } finally {
    context.action = () => undefined;
  }
}
