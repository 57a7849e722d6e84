import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { NetworkNamespace } from '@outboard/ffi';
import { MARK, Ownership, removeLeftovers } from './ownership.js';
import { waitUntil } from './probes/wait.js';
import { Testbed } from './testbed.js';
import { specification, uniqueName } from './testing.js';

const PROJECT = join(import.meta.dirname, '..');

// The owners that die are processes of their own, which run what is built.
beforeAll(() => {
  execFileSync(join(PROJECT, '../../node_modules/.bin/tsc'), ['-b', PROJECT], { stdio: 'inherit' });
}, 60_000);

interface Owner {
  readonly name: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | string | null>;
  readonly told: { readonly pid: number; readonly daemon: number; readonly directory: string };
}

async function startOwner(ending = 'wait'): Promise<Owner> {
  const name = uniqueName();
  const child = spawn(process.execPath, [join(PROJECT, 'test/owner.mjs'), name, ending], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | string | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  let errors = '';
  child.stderr.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    void exited.then((how) => reject(new Error(`the owner ended with ${how}: ${errors}`)));
  });
  return { name, child, exited, told: JSON.parse(line) };
}

const namespacesOf = (name: string): string[] => NetworkNamespace.list(`ob-${name}.`);

/** The processes that carry the name, with children of children. */
const markedOf = (name: string): number =>
  readdirSync('/proc').filter((entry) => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/environ`).includes(`${MARK}=${name}\0`);
    } catch {
      return false;
    }
  }).length;

/** A zombie does not: its command line is empty. */
function livesOn(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`).length > 0;
  } catch {
    return false;
  }
}

const everything = ({ name, told }: Owner): object => ({
  namespaces: namespacesOf(name).length,
  processes: markedOf(name),
  daemon: livesOn(told.daemon),
  directory: existsSync(told.directory),
  lock: existsSync(`/run/outboard-testbed/${name}.lock`),
});
const NOTHING = { namespaces: 0, processes: 0, daemon: false, directory: false, lock: false };

describe('the owner of a testbed', () => {
  it('that is killed leaves things behind, and removeLeftovers removes exactly these', async () => {
    const owner = await startOwner();
    const other = await startOwner();
    const living = everything(other);
    owner.child.kill('SIGKILL');
    await owner.exited;
    // Its programs die with it; what these have started does not.
    await waitUntil('its programs die', () => (markedOf(owner.name) > 1 ? 'they live' : undefined));
    expect(everything(owner)).toEqual({
      namespaces: 4,
      processes: 1,
      daemon: true,
      directory: true,
      lock: true,
    });

    expect(removeLeftovers(owner.name)).toEqual({ removed: [owner.name], alive: [] });
    expect(everything(owner)).toEqual(NOTHING);
    expect(everything(other)).toEqual(living);
    expect(removeLeftovers(owner.name)).toEqual({ removed: [], alive: [] });
    other.child.kill('SIGTERM');
    await other.exited;
  });

  it('that is one of several dead ones is cleaned up after with the others; the living are left alone', async () => {
    const [first, second, living] = [await startOwner(), await startOwner(), await startOwner()];
    for (const dead of [first, second]) {
      dead.child.kill('SIGKILL');
      await dead.exited;
    }
    const { removed, alive } = removeLeftovers();
    expect(removed).toEqual(expect.arrayContaining([first.name, second.name]));
    expect(alive).toContain(living.name);
    expect([everything(first), everything(second)]).toEqual([NOTHING, NOTHING]);
    expect(everything(living)).toMatchObject({ namespaces: 4, directory: true, lock: true });
    living.child.kill('SIGTERM');
    await living.exited;
  });

  it('that lives keeps its testbed from others, who are told its process', async () => {
    const owner = await startOwner();
    const { name } = owner;
    expect(removeLeftovers(name)).toEqual({ removed: [], alive: [name] });
    await expect(Testbed.create(specification(1, 1, name))).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      message: `testbed ${name} is in use by process ${owner.child.pid}`,
    });
    owner.child.kill('SIGTERM');
    await owner.exited;
  });

  it('that was killed does not keep its name: the next testbed of that name starts clean', async () => {
    const owner = await startOwner();
    const { name } = owner;
    owner.child.kill('SIGKILL');
    await owner.exited;
    const testbed = await Testbed.create(specification(1, 1, name));
    expect(existsSync(owner.told.directory)).toBe(false);
    expect(markedOf(name)).toBe(0);
    expect(namespacesOf(name)).toHaveLength(4);
    await testbed.dispose();
    expect(everything(owner)).toEqual(NOTHING);
  });

  it.each([
    ['is interrupted', 'wait', 'SIGINT', 'SIGINT'],
    ['is terminated', 'wait', 'SIGTERM', 'SIGTERM'],
    ['throws', 'throw', undefined, 1],
    ['exits without disposing', 'exit', undefined, 0],
  ] as const)('that %s leaves nothing', async (_how, ending, signal, expected) => {
    const owner = await startOwner(ending);
    if (signal !== undefined) owner.child.kill(signal);
    expect(await owner.exited).toBe(expected);
    expect(everything(owner)).toEqual(NOTHING);
  });
});

it('without the rights of root the owner is told what is missing', () => {
  const user = spawnSync(
    'setpriv',
    ['--reuid', '65534', process.execPath, join(PROJECT, 'test/owner.mjs'), 'x'],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    },
  );
  expect(user.status).toBe(1);
  expect(user.stderr).toContain('AppError: a testbed needs the rights of root, to make network namespaces');
});

describe('ownership', () => {
  it('is of one at a time, within one process too', () => {
    const name = uniqueName();
    const first = Ownership.acquire(name);
    expect(() => Ownership.acquire(name)).toThrow(`testbed ${name} is in use by process ${process.pid}`);
    first.release();
    first.release();
    Ownership.acquire(name).release();
  });

  it('of what cannot be a name is refused', () => {
    expect(() => removeLeftovers('../etc')).toThrow('1 problem');
  });
});
