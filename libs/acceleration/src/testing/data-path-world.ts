import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@outboard/core';
import type { AlgorithmName, LaneName } from '../engine/algorithms.js';
import { publicKeyFrom, seal } from '../keys/hpke.js';
import { MemoryKeyStorage } from '../keys/key-storage.js';
import { KeyStore } from '../keys/key-store.js';
import { DEFAULT_MAXIMUM_JOBS, keyInfo, type WantedVersion } from '../keys/wanted-key.js';
import type { SessionGrant } from '../lane/grant.js';
import { DataPath } from '../server/data-path.js';
import { grantOf, TOKEN } from './lane-world.js';

export interface DataPathWorldOptions {
  readonly threads?: Readonly<Record<LaneName, number>>;
  /** Of another world: what its worker kept on disk. */
  readonly storage?: MemoryKeyStorage;
}

/** A data path as a worker has it, with threads, in a directory of its own. */
export class DataPathWorld implements AsyncDisposable {
  private constructor(
    readonly directory: string,
    readonly dataPath: DataPath,
    readonly keys: KeyStore,
    /** Of threads. */
    readonly failures: readonly Error[],
  ) {}

  static async open({
    threads = { LIGHT: 1, HEAVY: 1 },
    storage = new MemoryKeyStorage(),
  }: DataPathWorldOptions = {}): Promise<DataPathWorld> {
    const directory = await mkdtemp(join(tmpdir(), 'outboard-accel-'));
    const keys = await KeyStore.open({ storage, random: systemRandom });
    const failures: Error[] = [];
    const dataPath = await DataPath.open({
      directory,
      threads,
      keys,
      clock: systemClock,
      onFailure: (failure) => failures.push(failure),
    });
    await dataPath.renewLease(Number.POSITIVE_INFINITY);
    return new DataPathWorld(directory, dataPath, keys, failures);
  }

  async grant(overrides: Partial<SessionGrant> = {}): Promise<SessionGrant> {
    const grant = grantOf(overrides);
    await this.dataPath.grant(grant);
    return grant;
  }

  /** Imports a key, sealed to this world's worker as a tenant does it. */
  async importKey(
    keyUid: string,
    algorithm: AlgorithmName,
    bytes: Uint8Array,
    overrides: Partial<WantedVersion> = {},
  ): Promise<void> {
    const identity = { keyUid, tenant: 'acme', sessionUid: '', algorithm };
    const version = overrides.version ?? 1;
    const info = keyInfo(identity, version);
    await this.dataPath.applyKey({
      ...identity,
      versions: [
        {
          version,
          state: 'ACTIVE',
          sealed: seal(publicKeyFrom(this.keys.publicKey), bytes, { info }),
          noncePrefix: 7,
          maximumJobs: DEFAULT_MAXIMUM_JOBS,
          ...overrides,
        },
      ],
    });
  }

  /** Where a holder finds a session. */
  locationOf(sessionUid = 's1'): { directory: string; token: Uint8Array } {
    return { directory: join(this.directory, sessionUid), token: TOKEN };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dataPath[Symbol.asyncDispose]();
    this.keys[Symbol.dispose]();
    await rm(this.directory, { recursive: true, force: true });
  }
}
