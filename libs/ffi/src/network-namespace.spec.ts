import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NetworkNamespace, runIn } from './network-namespace.js';

const PREFIX = `obffi${process.pid}`;
const own = (): string => readlinkSync('/proc/thread-self/ns/net');
const open: NetworkNamespace[] = [];

function create(suffix: string): NetworkNamespace {
  const namespace = NetworkNamespace.create(`${PREFIX}${suffix}`);
  open.push(namespace);
  return namespace;
}

afterEach(() => {
  for (const namespace of open.splice(0)) namespace.close();
  for (const name of NetworkNamespace.list(PREFIX)) NetworkNamespace.remove(name);
});

describe('NetworkNamespace', () => {
  it('a created namespace is one that ip(8) lists and enters', () => {
    const namespace = create('a');
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).toContain(`${PREFIX}a`);
    const inside = execFileSync('ip', ['netns', 'exec', `${PREFIX}a`, 'readlink', '/proc/self/ns/net']);
    expect(inside.toString().trim()).toBe(`net:[${namespace.inode}]`);
  });

  it('one that ip(8) made opens by name, and is the same by path and by process', () => {
    execFileSync('ip', ['netns', 'add', `${PREFIX}b`]);
    const byName = NetworkNamespace.open({ name: `${PREFIX}b` });
    const byPath = NetworkNamespace.open({ path: `/run/netns/${PREFIX}b` });
    const self = NetworkNamespace.open('self');
    const byProcess = NetworkNamespace.open({ pid: process.pid });
    open.push(byName, byPath, self, byProcess);
    expect(byName.inode).toBe(byPath.inode);
    expect(self.inode).toBe(byProcess.inode);
    expect(self.inode).not.toBe(byName.inode);
  });

  it('a function runs inside, nests, and comes back, also when it throws', () => {
    const home = own();
    const outer = create('c');
    const inner = create('d');
    const seen = outer.run(() => [own(), inner.run(own), own()]);
    expect(seen).toEqual([`net:[${outer.inode}]`, `net:[${inner.inode}]`, `net:[${outer.inode}]`]);
    expect(() =>
      outer.run(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(own()).toBe(home);
    expect(runIn(undefined, own)).toBe(home);
    expect(runIn(outer, own)).toBe(`net:[${outer.inode}]`);
  });

  it('/proc/sys/net and children of the function are those of the namespace', () => {
    const namespace = create('e');
    const devices = namespace.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'));
    expect(devices.match(/^\s*(\w+):/gm)?.map((line) => line.trim())).toEqual(['lo:']);
    const child = namespace.run(() => execFileSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }));
    expect(child.trim()).toBe(`net:[${namespace.inode}]`);
  });

  it('an asynchronous function does not compile, and throws where types were cast away', () => {
    const namespace = create('f');
    const home = own();
    // @ts-expect-error a promise would go on outside of the namespace
    expect(() => namespace.run(async () => 1)).toThrow('must not return a promise');
    expect(own()).toBe(home);
  });

  it('removing is idempotent, and clears what a cut-short creation left', () => {
    create('g');
    const path = `/run/netns/${PREFIX}g`;
    NetworkNamespace.remove(`${PREFIX}g`);
    NetworkNamespace.remove(`${PREFIX}g`);
    expect(existsSync(path)).toBe(false);
    closeSync(openSync(path, 'w'));
    NetworkNamespace.remove(`${PREFIX}g`);
    expect(existsSync(path)).toBe(false);
    rmSync(path, { force: true });
  });

  it('a second namespace of the same name is ALREADY_EXISTS and leaves the first one alone', () => {
    const namespace = create('h');
    expect(() => NetworkNamespace.create(`${PREFIX}h`)).toThrow(
      expect.objectContaining({ code: 'ALREADY_EXISTS' }),
    );
    const again = NetworkNamespace.open({ name: `${PREFIX}h` });
    open.push(again);
    expect(again.inode).toBe(namespace.inode);
  });

  it('names are listed by prefix; an absent one is NOT_FOUND', () => {
    create('j');
    create('i');
    expect(NetworkNamespace.list(PREFIX)).toEqual([`${PREFIX}i`, `${PREFIX}j`]);
    expect(() => NetworkNamespace.open({ name: `${PREFIX}none` })).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
  });

  it.each(['', '.', '..', 'a/b', '../etc', 'a b', `${'x'.repeat(65)}`, 'ä', '-rf', 'a\0b'])(
    'the name %j is refused',
    (name) => {
      for (const use of [
        () => NetworkNamespace.create(name),
        () => NetworkNamespace.open({ name }),
        () => NetworkNamespace.remove(name),
      ]) {
        expect(use).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      }
    },
  );

  it('closing twice does not close a stranger', () => {
    const namespace = create('k');
    namespace.close();
    const other = openSync('/dev/null', 'r');
    namespace.close();
    expect(() => closeSync(other)).not.toThrow();
  });
});
