import type { StreamBus } from '@outboard/bus';
import { AppError } from '@outboard/core';
import { OutboardClient } from './client.js';
import { EXIT } from './exit.js';
import { Interrupted, unlessInterrupted } from './interruption.js';
import type { Invocation } from './program.js';
import { Failures, type Session, type Surroundings } from './session.js';
import { resolveSettings } from './settings.js';
import { OutputClosed, silentAfter } from './terminal.js';

/** Runs a command with a connection that is made when it asks for it, and closed when it ends; the exit code. */
export async function runCommand(
  { options, changesNothing, execute }: Invocation,
  surroundings: Surroundings,
): Promise<number> {
  const { environment, directory, clock, signal } = surroundings;
  const terminal = changesNothing ? silentAfter(signal, surroundings.terminal) : surroundings.terminal;
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
        bus = await unlessInterrupted(signal, surroundings.connect(settings));
        bus.onState((state) => {
          if (state === 'reconnecting') terminal.tell('outboard: the connection is lost, trying again\n');
        });
        return new OutboardClient(bus, clock, settings);
      },
    };
    // Who has sent a change wants to know what became of it; an answer that is only looked at need not be awaited.
    await (changesNothing ? unlessInterrupted(signal, execute(session)) : execute(session));
  } catch (thrown) {
    if (thrown instanceof OutputClosed) throw thrown;
    if (!(thrown instanceof Interrupted)) failures.tell(AppError.from(thrown));
  } finally {
    const closed = bus?.[Symbol.asyncDispose]();
    // A server that has fallen silent keeps nobody who has had enough.
    if (!(changesNothing && signal.aborted)) await closed;
  }
  return signal.aborted ? EXIT.interrupted : failures.exitCode;
}
