import { chmod, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LaneName } from '../engine/algorithms.js';
import type { SessionGrant } from '../lane/grant.js';
import { laneOfProgram } from '../program/program.js';

/** What a session's directory says of it, for whoever has it mounted: nothing in it is secret. */
export interface SessionDescription {
  readonly session: string;
  readonly epoch: number;
  /** The holder may do jobs itself where the worker cannot. */
  readonly hostFallback: boolean;
  /** Names of sockets in the directory: one connection is one queue pair, served by one thread. */
  readonly sockets: Readonly<Record<LaneName, readonly string[]>>;
  readonly programs: readonly {
    readonly id: number;
    readonly lane: LaneName;
    readonly steps: readonly {
      readonly operation: string;
      readonly algorithm: string;
      readonly level: number;
      readonly callerNonce: boolean;
    }[];
  }[];
}

/** In the session's directory: a `SessionDescription` as JSON. */
export const SESSION_FILE = 'session.json';

/** Of a lane's thread, numbered from 0, in the session's directory. */
export const socketName = (lane: LaneName, index: number): string => `${lane.toLowerCase()}-${index}.sock`;

/** `threads`: how many each lane has; `lanes`: those whose threads serve this session, as it has programs for them. */
export const describeSession = (
  { sessionUid, epoch, hostFallback, programs }: SessionGrant,
  threads: Readonly<Record<LaneName, number>>,
  lanes: ReadonlySet<LaneName>,
): SessionDescription => {
  const names = (lane: LaneName): string[] =>
    Array.from({ length: lanes.has(lane) ? threads[lane] : 0 }, (_, index) => socketName(lane, index));
  return {
    session: sessionUid,
    epoch,
    hostFallback,
    sockets: { LIGHT: names('LIGHT'), HEAVY: names('HEAVY') },
    programs: programs.map((program) => ({
      id: program.id,
      lane: laneOfProgram(program),
      steps: program.steps.map(({ operation, algorithm, level, callerNonce }) => ({
        operation,
        algorithm,
        level,
        callerNonce,
      })),
    })),
  };
};

/** What is in the directory of a session. */
const OWN_FILE = /^(session\.json(\.new)?|(light|heavy)-\d+\.sock)$/;

/**
 * The directory of a session's sockets: to be mounted into the holder's pod as the sockets of device plugins are, so that
 * whoever does not have it mounted does not even see them.
 */
export class SessionDirectory {
  readonly path: string;

  constructor(
    private readonly root: string,
    sessionUid: string,
  ) {
    this.path = join(root, sessionUid);
  }

  async create(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o711 });
    await mkdir(this.path, { recursive: true, mode: 0o755 });
    await chmod(this.path, 0o755);
  }

  /** Whoever sees the directory may try: the token decides. Users of pods are not those of the worker. */
  async openSocket(name: string): Promise<void> {
    await chmod(join(this.path, name), 0o666);
  }

  /** As a whole; it comes last, so that whoever finds it finds the sockets too. */
  async describe(description: SessionDescription): Promise<void> {
    const path = join(this.path, SESSION_FILE);
    await writeFile(`${path}.new`, `${JSON.stringify(description, undefined, 2)}\n`, { mode: 0o644 });
    await rename(`${path}.new`, path);
  }

  /**
   * Takes out of `root` what former runs have left: nobody serves it. The directories stay for now, as who has one mounted
   * would not see another of the same name. Whatever else is there is somebody else's. Resolves with their sessions.
   */
  static async emptyLeftovers(root: string): Promise<readonly string[]> {
    const sessions: string[] = [];
    for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isDirectory()) continue;
      const directory = new SessionDirectory(root, entry.name);
      const names = await readdir(directory.path);
      if (!names.every((name) => OWN_FILE.test(name))) continue;
      await directory.empty();
      sessions.push(entry.name);
    }
    return sessions;
  }

  /** It may be served again: whoever has it mounted finds that. */
  async empty(): Promise<void> {
    for (const name of await readdir(this.path).catch(() => []))
      if (OWN_FILE.test(name)) await rm(join(this.path, name), { force: true });
  }

  /** Unless something is in it that is somebody else's. What cannot be removed is empty, and looked at after the next start. */
  async removeEmpty(): Promise<void> {
    await rmdir(this.path).catch(() => {});
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
