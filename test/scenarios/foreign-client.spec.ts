import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack } from '@outboard/local-stack';

const MAIN = join(import.meta.dirname, '../../examples/external-orchestrator/main.mjs');
const LINE_MILLISECONDS = 20_000;

interface Line {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A program that prints one JSON object a line, and what it has printed. */
class LineProgram {
  readonly #lines: Line[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  errors = '';

  constructor(command: readonly string[]) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = new Promise((resolve) => this.#child.once('exit', resolve));
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#lines.push(JSON.parse(line) as Line);
      for (const wake of this.#waiting) wake();
    });
    this.#child.stderr?.on('data', (chunk) => {
      this.errors += chunk;
    });
  }

  /** The first line that matches, printed already or later. */
  until(what: string, matches: (line: Line) => boolean): Promise<Line> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const timer = setTimeout(() => {
        finish();
        reject(
          new Error(`never printed: ${what}\n${this.errors}\n${JSON.stringify(this.#lines.slice(-20))}`),
        );
      }, LINE_MILLISECONDS);
      const look = (): void => {
        const found = this.#lines.find(matches);
        if (!found) return;
        finish();
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** Its exit code after SIGTERM. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.#ended;
  }
}

/** The stock NATS client, JSON and the documented subjects: whoever integrates over NATS has no more than this. */
describe('an orchestrator without any of our libraries', () => {
  let stack: LocalStack;
  let program: LineProgram;

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'foreign' });
    program = new LineProgram([
      process.execPath,
      MAIN,
      ...['--server', stack.stack.clientUrl, '--tenant', 'acme', '--linger'],
      ...['--seed', join(stack.credentials, 'orchestrator-acme.seed')],
      ...['--port', 'near=OB-SIM-0001/02:0b:00:00:01:00/0'],
      ...['--port', 'far=OB-SIM-0002/02:0b:00:00:02:00/0'],
    ]);
  }, 60_000);

  afterAll(async () => {
    await program?.stop();
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  it('gets an accepted event for each intent, naming it', async () => {
    for (const name of ['green', 'green-v4', 'green-v6', 'near', 'far']) {
      await program.until(`accepted ${name}`, (line) => line.event === 'accepted' && line.name === name);
    }
  }, 30_000);

  it('is told what is wrong with a refused intent: the field and the rule', async () => {
    const refused = await program.until('refused', (line) => line.event === 'refused');
    expect(refused).toMatchObject({
      name: 'overlapping',
      error: {
        code: 9,
        status: 'FAILED_PRECONDITION',
        details: expect.arrayContaining([
          expect.objectContaining({
            '@type': 'type.googleapis.com/google.rpc.BadRequest',
            fieldViolations: [expect.objectContaining({ field: 'spec.cidr' })],
          }),
        ]),
      },
    });
  }, 30_000);

  it('lists its ports, and sees in the state stream that they become ready', async () => {
    const listed = await program.until('listed', (line) => line.event === 'listed');
    expect(listed.ports).toEqual(['far', 'near']);
    await program.until('ready', (line) => line.event === 'ready');
  }, 30_000);

  it('goes on watching after the broker was killed and came back', async () => {
    await stack.stack.kill('nats');
    await program.until('disconnect', (line) => line.event === 'disconnect');
    await stack.stack.restart('nats');
    await program.until('reconnect', (line) => line.event === 'reconnect');
    const acme = await stack.workspace('acme');
    await acme.delete('Port', 'far');
    await program.until(
      'deleted',
      (line) => line.deleted === true && String(line.subject).endsWith('.port.far'),
    );
  }, 60_000);
});
