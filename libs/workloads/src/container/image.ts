import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { AppError } from '@outboard/core';
import { isJsonObject, type JsonObject } from '../json.js';
import { mustRun } from './run-program.js';

/** What an image says of its program (OCI image specification 1.0, config). */
export interface ImageConfiguration {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: readonly string[];
  /** Empty: it does not say. */
  readonly workingDirectory: string;
  readonly user: { readonly uid: number; readonly gid: number };
}

export interface OpenedImage {
  readonly root: string;
  readonly configuration: ImageConfiguration;
}

const PLAIN: ImageConfiguration = {
  entrypoint: [],
  command: [],
  environment: [],
  workingDirectory: '',
  user: { uid: 0, gid: 0 },
};
const MAX_LAYERS = 128;
const MAX_DOCUMENT_BYTES = 4 << 20;
const UNPACK_MILLISECONDS = 300_000;
const DIGEST = /^sha256:([0-9a-f]{64})$/;
/** Go's names of what Node calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * The root file system of an image. An OCI image layout is unpacked once for each of its versions, below `cache`; any
 * other directory is a root file system. Throws AppError: NOT_FOUND, FAILED_PRECONDITION with what is wrong with it.
 */
export async function openImage(path: string, cache: string): Promise<OpenedImage> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new AppError('NOT_FOUND', `image ${path} is not on this DPU`);
  if (!found.isDirectory())
    throw new AppError('FAILED_PRECONDITION', `image ${path} is no directory: neither a layout nor a root`);
  if (!existsSync(join(path, 'oci-layout'))) return { root: path, configuration: PLAIN };
  const { digest, manifest } = await manifestOf(path);
  const configuration = await readBlob(path, digestOf(manifest.config));
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const root = join(await realpath(cache), digest);
  if (!existsSync(root)) await unpack(path, manifest, root);
  return { root, configuration: configurationOf(configuration) };
}

async function manifestOf(path: string): Promise<{ digest: string; manifest: JsonObject }> {
  let document = await readJson(join(path, 'index.json'));
  // An index may list an index, of several platforms.
  for (let depth = 0; depth < 3; depth++) {
    const entries = Array.isArray(document.manifests) ? document.manifests.filter(isJsonObject) : [];
    const here = ARCHITECTURES[process.arch] ?? process.arch;
    const entry =
      entries.find(({ platform }) => isJsonObject(platform) && platform.architecture === here) ??
      entries.find(({ platform }) => !isJsonObject(platform));
    if (entry === undefined)
      throw new AppError('FAILED_PRECONDITION', `image ${path} has nothing for the architecture ${here}`);
    const digest = digestOf(entry);
    document = await readBlob(path, digest);
    if (Array.isArray(document.layers)) return { digest, manifest: document };
  }
  throw new AppError('FAILED_PRECONDITION', `image ${path} has no manifest`);
}

function digestOf(descriptor: unknown): string {
  const digest = isJsonObject(descriptor) ? descriptor.digest : undefined;
  const match = typeof digest === 'string' ? DIGEST.exec(digest) : null;
  if (match?.[1] === undefined)
    throw new AppError('FAILED_PRECONDITION', 'the image refers to something by another digest than sha256');
  return match[1];
}

const readBlob = (path: string, digest: string): Promise<JsonObject> =>
  readJson(join(path, 'blobs', 'sha256', digest));

async function readJson(path: string): Promise<JsonObject> {
  try {
    if ((await stat(path)).size > MAX_DOCUMENT_BYTES) throw new Error('it is too large');
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (isJsonObject(value)) return value;
    throw new Error('it is no object');
  } catch (failure) {
    const why = failure instanceof Error ? failure.message : String(failure);
    throw new AppError('FAILED_PRECONDITION', `${path} of the image cannot be read: ${why}`);
  }
}

/** Beside its place, and moved there as a whole: a crash leaves nothing that looks finished. */
async function unpack(path: string, { layers }: JsonObject, root: string): Promise<void> {
  const list = Array.isArray(layers) ? layers : [];
  if (list.length > MAX_LAYERS)
    throw new AppError('FAILED_PRECONDITION', `image ${path} has more than ${MAX_LAYERS} layers`);
  const partial = `${root}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o755 });
  for (const layer of list) {
    const blob = join(path, 'blobs', 'sha256', digestOf(layer));
    await takeAway(blob, partial);
    await extract(blob, partial, ['--exclude', `${WHITEOUT}*`]);
  }
  await rename(partial, root);
}

const extract = (blob: string, directory: string, more: readonly string[]) =>
  mustRun('tar', ['--extract', '--file', blob, '--directory', directory, '--numeric-owner', ...more], {
    timeoutMilliseconds: UNPACK_MILLISECONDS,
  });

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** What a layer says that it takes away from those below it (OCI image specification, layer: whiteouts). */
async function takeAway(blob: string, root: string): Promise<void> {
  const marks = `${root}.marks`;
  await mkdir(marks, { recursive: true });
  // Nothing to be found is an error to tar, and the usual case.
  await extract(blob, marks, ['--wildcards', `${WHITEOUT}*`, `*/${WHITEOUT}*`]).catch(() => {});
  const names = await readdir(marks, { recursive: true, withFileTypes: true });
  for (const { name, parentPath } of names) {
    if (!name.startsWith(WHITEOUT)) continue;
    const directory = await inside(root, relative(marks, parentPath));
    if (directory === undefined) continue;
    const gone = name === OPAQUE ? await readdir(directory) : [name.slice(WHITEOUT.length)];
    for (const each of gone) await rm(join(directory, each), { recursive: true, force: true });
  }
  await rm(marks, { recursive: true });
}

/** The directory, if it is there and no link leads out of the root to it. */
async function inside(root: string, path: string): Promise<string | undefined> {
  const found = await realpath(join(root, path)).catch(() => undefined);
  return found === root || found?.startsWith(`${root}/`) ? found : undefined;
}

function configurationOf({ config }: JsonObject): ImageConfiguration {
  if (!isJsonObject(config)) return PLAIN;
  return {
    entrypoint: texts(config.Entrypoint),
    command: texts(config.Cmd),
    environment: texts(config.Env),
    workingDirectory: typeof config.WorkingDir === 'string' ? config.WorkingDir : '',
    user: userOf(config.User),
  };
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];

/** By number; a name would have to be looked up in files of the image. */
function userOf(value: unknown): ImageConfiguration['user'] {
  const text = typeof value === 'string' ? value : '';
  if (text === '' || text === 'root') return PLAIN.user;
  const [uid, gid] = text.split(':').map(Number);
  if (uid === undefined || !Number.isInteger(uid) || !Number.isInteger(gid ?? 0))
    throw new AppError('FAILED_PRECONDITION', `the image's user ${text} must be given by number`);
  return { uid, gid: gid ?? 0 };
}
