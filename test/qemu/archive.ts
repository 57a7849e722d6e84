/** Mode bits of an archive's entries (cpio(5)). */
const MODE = {
  directory: 0o040755,
  file: 0o100644,
  program: 0o100755,
  link: 0o120777,
  device: 0o020600,
} as const;

/** A cpio archive in the format that kernels take as their first file system (Documentation/driver-api/early-userspace). */
export class Archive {
  readonly #parts: Buffer[] = [];
  readonly #directories = new Set<string>();
  #inode = 0;

  /** @param path absolute; the directories above it come with it. */
  directory(path: string): this {
    if (path === '/' || this.#directories.has(path)) return this;
    this.directory(path.slice(0, path.lastIndexOf('/')) || '/');
    this.#directories.add(path);
    return this.#entry(path, MODE.directory, Buffer.alloc(0));
  }

  file(path: string, content: Uint8Array, executable = false): this {
    this.directory(path.slice(0, path.lastIndexOf('/')) || '/');
    return this.#entry(path, executable ? MODE.program : MODE.file, content);
  }

  link(path: string, target: string): this {
    this.directory(path.slice(0, path.lastIndexOf('/')) || '/');
    return this.#entry(path, MODE.link, Buffer.from(target));
  }

  characterDevice(path: string, major: number, minor: number): this {
    this.directory(path.slice(0, path.lastIndexOf('/')) || '/');
    return this.#entry(path, MODE.device, Buffer.alloc(0), [major, minor]);
  }

  done(): Buffer {
    return Buffer.concat([...this.#parts, entryOf('TRAILER!!!', 0, Buffer.alloc(0), 0)]);
  }

  #entry(path: string, mode: number, content: Uint8Array, device?: readonly [number, number]): this {
    this.#parts.push(entryOf(path.slice(1), mode, content, ++this.#inode, device));
    return this;
  }
}

function entryOf(
  name: string,
  mode: number,
  content: Uint8Array,
  inode: number,
  [major, minor]: readonly [number, number] = [0, 0],
): Buffer {
  const nameBytes = Buffer.from(`${name}\0`);
  const [user, group, time, links, ownDevice] = [0, 0, 0, 1, [0, 0]];
  const fields = [
    inode,
    mode,
    user,
    group,
    links,
    time,
    content.length,
    ...ownDevice,
    major,
    minor,
    nameBytes.length,
    0,
  ];
  const head = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  const padding = (length: number): Buffer => Buffer.alloc((4 - (length & 3)) & 3);
  return Buffer.concat([
    head,
    nameBytes,
    padding(head.length + nameBytes.length),
    content,
    padding(content.length),
  ]);
}
