import { join } from 'node:path';
import { Program } from '@outboard/testbed';

const READY_MILLISECONDS = 600_000;

export interface WorkerProcessOptions {
  /** Of the process, and of its log. */
  readonly name: string;
  /** With flags and the program. */
  readonly command: readonly [program: string, ...arguments: string[]];
  readonly folder: string;
  readonly servers: string;
  /** Number of the first DPU, and how many there are. */
  readonly first: number;
  readonly count: number;
  readonly functions: number;
}

/** The workers of some DPUs of a fleet, in a process that can be asked. */
export class WorkerProcess {
  readonly program: Program;
  readonly #heard: ((said: Record<string, unknown>) => void)[] = [];

  constructor({ name, command, folder, servers, first, count, functions }: WorkerProcessOptions) {
    this.program = new Program({
      name,
      command: [
        ...command,
        ...['--first', `${first}`, '--dpus', `${count}`, '--functions', `${functions}`, '--nats', servers],
      ],
      logFile: join(folder, `${name}.log`),
      readyMilliseconds: READY_MILLISECONDS,
      takesInput: true,
      onLine: (line) => {
        const said = JSON.parse(line) as Record<string, unknown>;
        if (['status', 'rebooted', 'refused'].includes(String(said.event))) this.#heard.shift()?.(said);
        if (said.event === 'progress')
          process.stderr.write(`${name}: ${said.running} of ${said.of} workers run\n`);
      },
    });
  }

  /** Resolves with what it says to that. */
  ask(command: string): Promise<Record<string, unknown>> {
    const answer = new Promise<Record<string, unknown>>((resolve) => this.#heard.push(resolve));
    this.program.write(`${command}\n`);
    return answer;
  }
}
