import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '@outboard/core';
import type { AccelerationSessions } from '../acceleration-sessions.js';
import type { WantedWorkload } from '../workload.js';

const TOKEN_BYTES = 32;

/** A session as it is put into a container. */
export interface SessionMount {
  readonly name: string;
  /** With its sockets. */
  readonly directory: string;
  /** 64 hexadecimal digits. */
  readonly tokenFile: string;
}

export interface HeldSessionsPorts {
  /** For the tokens of this workload alone. */
  readonly directory: string;
  readonly sessions: AccelerationSessions;
  readonly random: Random;
}

/**
 * The acceleration sessions of a workload. Their tokens are drawn here at each start and never leave this machine: a file
 * that only the workload sees besides root, and a digest in the memory of who serves the session.
 */
export class HeldSessions {
  constructor(
    private readonly holder: string,
    private readonly ports: HeldSessionsPorts,
  ) {}

  /** Those that are not served here. */
  missing({ tenant, accelerationSessions }: WantedWorkload): readonly string[] {
    return accelerationSessions.filter(
      (name) => this.ports.sessions.directoryOf({ tenant, name }) === undefined,
    );
  }

  /** For a program that is started now, which is not `missing` any. */
  async open({ tenant, accelerationSessions }: WantedWorkload): Promise<readonly SessionMount[]> {
    const { directory, random } = this.ports;
    await rm(directory, { recursive: true, force: true });
    if (accelerationSessions.length > 0) await mkdir(directory, { recursive: true, mode: 0o700 });
    const mounts: SessionMount[] = [];
    for (const name of accelerationSessions) {
      const tokenFile = this.#tokenFile(name);
      const token = Buffer.from(random.bytes(TOKEN_BYTES)).toString('hex');
      // The user of the program may be any; others do not get into the directory.
      await writeFile(tokenFile, `${token}\n`, { mode: 0o444 });
      const served = this.ports.sessions.directoryOf({ tenant, name }) ?? '';
      mounts.push({ name, directory: served, tokenFile });
    }
    await this.#admit(tenant, accelerationSessions);
    return mounts;
  }

  /** For a program that a former run of this process has started. */
  async resume({ tenant, accelerationSessions }: WantedWorkload): Promise<void> {
    await this.#admit(tenant, accelerationSessions);
  }

  async close(): Promise<void> {
    await this.ports.sessions.admit(this.holder, []);
  }

  async #admit(tenant: string, names: readonly string[]): Promise<void> {
    const held = await Promise.all(
      names.map(async (name) => {
        const text = (await readFile(this.#tokenFile(name), 'utf8')).trim();
        const tokenDigest = createHash('sha256').update(Buffer.from(text, 'hex')).digest();
        return { tenant, name, tokenDigest };
      }),
    );
    await this.ports.sessions.admit(this.holder, held);
  }

  #tokenFile(name: string): string {
    return join(this.ports.directory, `${name}.token`);
  }
}
