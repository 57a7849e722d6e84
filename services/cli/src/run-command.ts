import type { StreamBus } from '@outboard/bus';
import { AppError } from '@outboard/core';
import { OutboardClient } from './client.js';
import { EXIT } from './exit.js';
import type { Invocation } from './program.js';
import { Failures, type Session, type Surroundings } from './session.js';
import { resolveSettings } from './settings.js';
import { OutputClosed } from './terminal.js';

/** Runs a command with a connection that is made when it asks for it, and closed when it ends; the exit code. */
export async function runCommand(
  { options, execute }: Invocation,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal, environment, directory, clock, signal } = surroundings;
  const failures = new Failures(terminal, options.output === 'json');
  let bus: StreamBus | undefined;
  try {
    const settings = resolveSettings(options, environment, directory);
    const session: Session = {
      settings,
      terminal,
      failures,
      clock,
      signal,
      connect: async () => {
        bus = await surroundings.connect(settings);
        bus.onState((state) => {
          if (state === 'reconnecting') terminal.tell('outboard: the connection is lost, trying again\n');
        });
        return new OutboardClient(bus, clock, settings);
      },
    };
    await execute(session);
  } catch (thrown) {
    if (thrown instanceof OutputClosed) throw thrown;
    failures.tell(AppError.from(thrown));
  } finally {
    await bus?.[Symbol.asyncDispose]();
  }
  return signal.aborted ? EXIT.interrupted : failures.exitCode;
}
