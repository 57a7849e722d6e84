import { join } from 'node:path';
import { DataPath, type EngineProbe, FastPath, KeyStore, probeEngines } from '@outboard/acceleration';
import type { AccelerationInventory } from '@outboard/contracts';
import type { Clock, Random } from '@outboard/core';
import { forbidCoreDumps } from '@outboard/ffi';
import type { Log } from '@outboard/service-shell/process';
import { AccelerationEngine } from './acceleration-engine.js';
import { accelerationInventory } from './inventory-wire.js';
import { KeyDirectory } from './key-directory.js';

/** Where and with how many threads a worker serves acceleration. */
export interface AccelerationSettings {
  /** Sessions have their directories in it. */
  readonly socketDirectory: string;
  readonly lightThreads: number;
  readonly heavyThreads: number;
  /** Operators may have jobs go wrong on purpose. */
  readonly injectsFaults: boolean;
}

export interface AccelerationPorts extends AccelerationSettings {
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What is known of this machine's engines already; absent: they are probed. */
  readonly probe?: EngineProbe;
}

/** Acceleration as a worker has it. */
export interface HostedAcceleration extends AsyncDisposable {
  readonly engine: AccelerationEngine;
  readonly dataPath: DataPath;
  readonly inventory: AccelerationInventory;
  readonly injectsFaults: boolean;
}

/** Probes the engines and opens the data path; it costs threads only from the first session on. */
export async function hostAcceleration(ports: AccelerationPorts): Promise<HostedAcceleration> {
  const { socketDirectory, dataDirectory, clock, random, log } = ports;
  forbidCoreDumps();
  const storage = await KeyDirectory.open(join(dataDirectory, 'keys'));
  const keys = await KeyStore.open({ storage, random });
  const probe = ports.probe ?? (await probeEngines());
  for (const { module, operation, algorithm, reason } of probe.quarantined)
    log.warn({ module, operation, algorithm }, `an engine is not used: ${reason}`);
  if (!FastPath.isBuilt) log.info({}, 'there is no fast path for plain jobs: it was not built');
  const dataPath = await DataPath.open({
    directory: socketDirectory,
    threads: { LIGHT: ports.lightThreads, HEAVY: ports.heavyThreads },
    keys,
    clock,
    onFailure: (failure) => log.error({ err: failure }, 'a thread of the data path failed'),
    onBreaker: ({ breaker, reason, ...engine }) =>
      breaker === 'OPEN'
        ? log.warn(engine, `an engine fails again and again and is skipped: ${reason}`)
        : log.info(engine, 'an engine that was skipped is used again'),
  });
  const engine = new AccelerationEngine({ dataPath, clock });
  return {
    engine,
    dataPath,
    injectsFaults: ports.injectsFaults,
    inventory: accelerationInventory({ sealingPublicKey: keys.publicKey, socketDirectory, probe }),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await dataPath[Symbol.asyncDispose]();
      keys[Symbol.dispose]();
    },
  };
}
