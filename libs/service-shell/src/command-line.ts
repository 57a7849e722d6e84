import { AppError, type Result } from '@outboard/core';

/** What a command line breaks; the message names the option and the rule. */
export class UsageError extends Error {}

/** A whole number that an option gives. Throws UsageError for anything else. */
export function integerOption(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
    throw new UsageError(`--${name} must be ${least}-${most}, not ${text}`);
  return value;
}

/** What options give, by what has read them; fields begin with their names. Throws UsageError with all problems. */
export function parsedOptions<Value>(read: Result<Value, AppError>): Value {
  if (read.ok) return read.value;
  const problems = read.error.violations.map(({ field, description }) => `--${field} ${description}`);
  throw new UsageError(problems.length > 0 ? problems.join('; ') : read.error.message);
}

/**
 * Runs a program and ends the process with its exit code: 2 with the usage for what the command line breaks, found by
 * `main` or by Node's `parseArgs`; 1 for whatever else `main` fails with.
 */
export function runProgram(usage: string, main: () => Promise<number>): void {
  main().then(
    (code) => process.exit(code),
    (failure: unknown) => {
      if (isUsageError(failure)) {
        process.stderr.write(`${failure.message}\n${usage}\n`);
        process.exit(2);
      }
      const { code, message, violations } = AppError.from(failure);
      process.stderr.write(`outboard: ${code}: ${message}\n`);
      for (const { field, description } of violations) process.stderr.write(`  ${field}: ${description}\n`);
      process.exit(1);
    },
  );
}

const isUsageError = (failure: unknown): failure is Error =>
  failure instanceof UsageError ||
  (failure instanceof Error && String((failure as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS'));
