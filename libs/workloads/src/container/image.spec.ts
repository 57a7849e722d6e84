import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { openImage } from './image.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'outboard-image-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const layout = (): string => join(directory, 'layout');

function blob(bytes: Uint8Array): { digest: string } {
  const hash = createHash('sha256').update(bytes).digest('hex');
  mkdirSync(join(layout(), 'blobs/sha256'), { recursive: true });
  writeFileSync(join(layout(), 'blobs/sha256', hash), bytes);
  return { digest: `sha256:${hash}` };
}

/** A layer with these files, as a compressed archive. */
function layer(name: string, files: Readonly<Record<string, string>>): { digest: string } {
  const root = join(directory, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return blob(execFileSync('tar', ['--create', '--gzip', '--directory', root, '.']));
}

function writeLayout(layers: readonly { digest: string }[], config: object): void {
  const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
  const manifest = blob(json({ schemaVersion: 2, config: blob(json({ config })), layers }));
  const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  const index = {
    manifests: [
      { digest: blob(json({})).digest, platform: { architecture: 'riscv' } },
      { ...manifest, platform },
    ],
  };
  writeFileSync(join(layout(), 'index.json'), JSON.stringify(index));
  writeFileSync(join(layout(), 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

it('an OCI layout is unpacked layer by layer, with what each takes away from those below it', async () => {
  writeLayout(
    [
      layer('one', { 'bin/a': 'a', 'bin/b': 'b', 'etc/x/old': 'old', 'etc/x/older': 'older' }),
      layer('two', { 'bin/.wh.a': '', 'bin/c': 'c', 'etc/x/.wh..wh..opq': '', 'etc/x/new': 'new' }),
    ],
    { Entrypoint: ['/bin/c'], Cmd: ['--fast'], Env: ['A=1'], WorkingDir: '/etc', User: '1000:1000' },
  );
  const { root, configuration } = await openImage(layout(), join(directory, 'cache'));
  const has = (path: string): boolean => existsSync(join(root, path));
  expect(
    ['bin/a', 'bin/b', 'bin/c', 'bin/.wh.a', 'etc/x/old', 'etc/x/older', 'etc/x/new'].filter(has),
  ).toEqual(['bin/b', 'bin/c', 'etc/x/new']);
  expect(readFileSync(join(root, 'bin/c'), 'utf8')).toBe('c');
  expect(configuration).toEqual({
    entrypoint: ['/bin/c'],
    command: ['--fast'],
    environment: ['A=1'],
    workingDirectory: '/etc',
    user: { uid: 1000, gid: 1000 },
  });
  expect((await openImage(layout(), join(directory, 'cache'))).root).toBe(root);
});

it('a layer takes nothing away outside the image', async () => {
  mkdirSync(join(directory, 'victim'));
  writeFileSync(join(directory, 'victim/kept'), 'kept');
  mkdirSync(join(directory, 'one'));
  execFileSync('ln', ['-s', join(directory, 'victim'), join(directory, 'one/link')]);
  writeLayout([layer('one', {}), layer('two', { 'link/.wh.kept': '', 'link/.wh..wh..opq': '' })], {});
  await openImage(layout(), join(directory, 'cache'));
  expect(existsSync(join(directory, 'victim/kept'))).toBe(true);
});

it('any other directory is a root file system, and what is none is told', async () => {
  mkdirSync(join(directory, 'root'));
  expect(await openImage(join(directory, 'root'), directory)).toMatchObject({
    root: join(directory, 'root'),
  });
  await expect(openImage(join(directory, 'nothing'), directory)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  writeFileSync(join(directory, 'file'), '');
  await expect(openImage(join(directory, 'file'), directory)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
  });
  writeLayout([{ digest: 'sha256:../../etc/passwd' }], {});
  await expect(openImage(layout(), join(directory, 'cache'))).rejects.toThrow('another digest than sha256');
});
