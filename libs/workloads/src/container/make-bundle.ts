import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathOfNamespace } from '../network/workload-network.js';
import type { WantedWorkload } from '../workload.js';
import { type BundleInput, bundleConfiguration } from './bundle.js';
import { openImage } from './image.js';
import { makeProgramRoot } from './program-root.js';

export interface MakeBundleOptions
  extends Pick<
    BundleInput,
    'limits' | 'sharedDirectory' | 'sessions' | 'programDirectories' | 'environment'
  > {
  readonly uid: string;
  /** Of this workload alone. */
  readonly directory: string;
  readonly imageCache: string;
  readonly cgroupParent: string;
}

/** Makes the bundle of a workload anew, with its files and its root (OCI runtime specification); resolves with its directory. */
export async function makeBundle(wanted: WantedWorkload, options: MakeBundleOptions): Promise<string> {
  const { uid, directory, imageCache, cgroupParent, sharedDirectory } = options;
  const { limits, sessions, programDirectories, environment } = options;
  const bundle = join(directory, 'bundle');
  const filesDirectory = join(directory, 'files');
  for (const each of [bundle, filesDirectory]) await rm(each, { recursive: true, force: true });
  for (const each of [bundle, filesDirectory]) await mkdir(each, { recursive: true, mode: 0o700 });
  // Kept: it is the workload's own, also over its restarts. Its socket is of its process.
  await mkdir(sharedDirectory, { recursive: true, mode: 0o755 });
  await rm(join(sharedDirectory, 'interfaces.sock'), { force: true, recursive: true });
  const image = wanted.image === '' ? undefined : await openImage(wanted.image, imageCache);
  const root = image?.root ?? (await makeProgramRoot(join(bundle, 'rootfs')));
  const files = await Promise.all(
    wanted.files.map(async ({ path, content, mode }, index) => {
      const source = join(filesDirectory, String(index));
      await writeFile(source, content, { mode });
      return { source, destination: path };
    }),
  );
  const configuration = bundleConfiguration({
    workload: wanted,
    image: image?.configuration,
    root,
    networkNamespace: pathOfNamespace(uid),
    cgroup: `${cgroupParent}/${uid}`,
    limits,
    sharedDirectory,
    files,
    sessions,
    programDirectories,
    environment,
  });
  await writeFile(join(bundle, 'config.json'), JSON.stringify(configuration), { mode: 0o600 });
  return bundle;
}
