import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { LogFile } from './log-file.js';
import { waitUntil } from './probes/wait.js';
import { Program, type ProgramSpecification } from './program.js';

const directory = mkdtempSync(join(tmpdir(), 'testbed-program-'));
const programs: Program[] = [];
let number = 0;

const shell = (script: string, change: Partial<ProgramSpecification> = {}): Program => {
  const program = new Program({
    name: 'shell',
    command: ['sh', '-c', script],
    logFile: join(directory, `${++number}.log`),
    ...change,
  });
  programs.push(program);
  return program;
};
const READY = `echo '{"event":"ready","port":7}'`;

afterEach(async () => {
  for (const program of programs.splice(0)) await program.dispose();
});
afterAll(() => rmSync(directory, { recursive: true }));

const isAlive = (pid: number | undefined): boolean => existsSync(`/proc/${pid}`);

describe('a program', () => {
  it('is started when it says that it is ready, and only then', async () => {
    const program = shell(
      `echo starting; echo '{"event":"other"}'; echo '{broken'; ${READY}; exec sleep infinity`,
    );
    expect(JSON.parse(await program.start())).toEqual({ event: 'ready', port: 7 });
    expect(program.isRunning).toBe(true);
    expect(readFileSync(program.logFile, 'utf8')).toMatch(/^starting\n/);
    await expect(program.start()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('that ends at start is reported with its status and the end of its log', async () => {
    const program = shell('echo cannot open the store >&2; exit 3');
    await expect(program.start()).rejects.toThrow(
      /shell ended at start \(status 3\); log .* ends with:\ncannot open the store/,
    );
    expect(program.isRunning).toBe(false);
  });

  it('that does not exist is reported', async () => {
    const program = shell('', { command: ['/nonexistent/program'] });
    await expect(program.start()).rejects.toThrow(/ended at start \(status 127\).*nonexistent/s);
  });

  it('that is never ready is killed at its deadline', async () => {
    const program = shell('echo working on it; exec sleep infinity', { readyMilliseconds: 150 });
    await expect(program.start()).rejects.toThrow(/not ready within 150 ms.*working on it/s);
    expect(program.isRunning).toBe(false);
  });

  it('is stopped by SIGTERM, with time to finish', async () => {
    const program = shell(`trap 'echo finished; exit 0' TERM; ${READY}; while :; do sleep 0.01; done`);
    await program.start();
    expect(await program.stop()).toEqual({ code: 0, signal: null, wanted: true });
    expect(program.tail).toMatch(/finished$/);
  });

  it('that ignores SIGTERM is killed after the grace', async () => {
    const program = shell(`trap '' TERM; ${READY}; while :; do sleep 0.01; done`);
    await program.start();
    expect(await program.stop(100)).toEqual({ code: null, signal: 'SIGKILL', wanted: true });
  });

  it('can be killed and started again, and its log goes on', async () => {
    const program = shell(`${READY}; exec sleep infinity`);
    await program.start();
    const first = program.pid;
    expect(await program.kill()).toMatchObject({ signal: 'SIGKILL' });
    expect(isAlive(first)).toBe(false);
    await program.start();
    expect(program.pid).not.toBe(first);
    expect(readFileSync(program.logFile, 'utf8').match(/ready/g)).toHaveLength(2);
    await program.stop();
    expect(await program.stop()).toBeUndefined();
  });

  it('that ends by itself is seen to have ended so', async () => {
    const fifo = join(directory, 'fifo');
    const program = shell(`mkfifo ${fifo}; ${READY}; cat ${fifo}; exit 9`);
    await program.start();
    expect(program.exits).toEqual([]);
    writeFileSync(fifo, '');
    await waitUntil('the program ends', () => (program.isRunning ? 'it runs' : undefined));
    expect(program.exits).toEqual([{ code: 9, signal: null, wanted: false }]);
  });

  it('gets the variables that it is given and no others', async () => {
    process.env.OUTBOARD_SECRET = 'of the owner';
    const program = shell(`env; ${READY}; exec sleep infinity`, { environment: { OUTBOARD_OWN: 'own' } });
    await program.start();
    delete process.env.OUTBOARD_SECRET;
    expect(program.tail).toContain('OUTBOARD_OWN=own');
    expect(program.tail).not.toContain('OUTBOARD_SECRET');
  });

  it('can be frozen, and tells what it uses', async () => {
    const program = shell(`${READY}; exec sleep infinity`);
    await program.start();
    // A program that is just being loaded has next to nothing.
    await waitUntil('it is loaded', () =>
      program.usage().residentBytes > 100_000 ? undefined : 'it is being loaded',
    );
    program.signal('SIGSTOP');
    await waitUntil('it is stopped', () =>
      / T /.test(readFileSync(`/proc/${program.pid}/stat`, 'utf8')) ? undefined : 'it runs',
    );
    const usage = program.usage();
    expect(usage).toMatchObject({ pid: program.pid, threads: 1 });
    expect(usage.residentBytes).toBeGreaterThan(100_000);
    expect(usage.residentBytes % 1024).toBe(0);
    expect(usage.descriptors).toBeGreaterThanOrEqual(3);
    await program.kill();
    expect(() => program.usage()).toThrow('shell is not running');
  });
});

describe('a log file', () => {
  it('keeps the latest 8 to 16 MiB and the last 8 KiB at hand', () => {
    const log = new LogFile(join(directory, 'deep', 'bounded.log'));
    const chunk = Buffer.alloc(1 << 20, 'x');
    for (let count = 0; count < 20; count++) log.write(chunk);
    log.write(Buffer.from('the end\n'));
    log.close();
    const sizes = [log.path, `${log.path}.1`].map((path) => statSync(path).size);
    expect(sizes).toEqual([(4 << 20) + 8, 8 << 20]);
    expect(log.tail).toMatch(/x{100}the end$/);
    expect(log.tail.length).toBeLessThanOrEqual(8192);
  });
});
