import type { StreamBus } from '@outboard/bus';
import type { AppError, Clock } from '@outboard/core';
import type { OutboardClient } from './client.js';
import { EXIT } from './exit.js';
import { exitCodeOf, explainFailure, failureJson } from './failure.js';
import type { Settings } from './settings.js';
import type { Terminal } from './terminal.js';

/** What every command is run with. */
export interface Session {
  readonly settings: Settings;
  readonly terminal: Terminal;
  readonly failures: Failures;
  readonly clock: Clock;
  /** The user has had enough: finish what runs, start nothing more. */
  readonly signal: AbortSignal;
  /** To be called when the command line has turned out to make sense. */
  connect(): Promise<OutboardClient>;
}

/** What a command needs from outside; everything that a test replaces. */
export interface Surroundings {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Working directory. */
  readonly directory: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly connect: (settings: Settings) => Promise<StreamBus>;
}

/** Tells what failed as it happens, and which exit code follows from it: the first one's. */
export class Failures {
  #exitCode: number = EXIT.ok;

  constructor(
    private readonly terminal: Terminal,
    private readonly asJson: boolean,
  ) {}

  get exitCode(): number {
    return this.#exitCode;
  }

  /** @param what see `explainFailure`. */
  tell(error: AppError, what?: string): void {
    if (this.#exitCode === EXIT.ok) this.#exitCode = exitCodeOf(error);
    const lines = this.asJson ? [failureJson(error, what)] : explainFailure(error, what);
    this.terminal.tell(`${lines.join('\n')}\n`);
  }
}
