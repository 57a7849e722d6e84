import { CommanderError } from 'commander';
import { EXIT } from './exit.js';
import { createProgram } from './program.js';
import type { Surroundings } from './session.js';
import { OutputClosed } from './terminal.js';

/** Runs one command line; the exit code. */
export async function runOutboard(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = createProgram({
    terminal: surroundings.terminal,
    run: async (invocation) => {
      const { runCommand } = await import('./run-command.js');
      exitCode = await runCommand(invocation, surroundings);
    },
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (thrown instanceof OutputClosed) return EXIT.ok;
    throw thrown;
  }
}
