import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  describeAlgorithm,
  isKeyed,
  type LaneName,
  laneOf,
  type Operation,
  operationsOf,
} from './algorithms.js';
import type { Engine, EngineModule, Implementation, ModuleLoader } from './engine.js';
import { isal } from './modules/isal.js';
import { libcrypto } from './modules/libcrypto.js';
import { node } from './modules/node.js';
import { zstd } from './modules/zstd.js';
import { selfTest } from './self-test.js';

/** In the order in which they are preferred: hardware, native libraries, what comes with Node. */
export const MODULES: readonly ModuleLoader[] = [libcrypto, isal, zstd, node];

/** An operation as one module does it. */
export interface Candidate {
  readonly operation: Operation;
  readonly algorithm: AlgorithmName;
  readonly module: string;
  readonly implementation: Implementation;
  readonly engine: Engine;
}

/** A module that is not here, or what it did in its self-test. */
export interface Quarantine {
  readonly module: string;
  /** Absent: the whole module. */
  readonly operation?: Operation;
  readonly algorithm?: AlgorithmName;
  readonly reason: string;
}

/** What one operation can do, whoever does it. */
export interface Capability {
  readonly operation: Operation;
  readonly algorithm: AlgorithmName;
  readonly module: string;
  readonly implementation: Implementation;
  readonly lane: LaneName;
  /** 0: no key. Of a MAC the length of a key that is made for it. */
  readonly keyBits: number;
  /** 0: no levels. */
  readonly minimumLevel: number;
  readonly maximumLevel: number;
}

/** The engines of a thread: for each operation the modules that passed their self-test, the preferred one first. */
export class EngineSet {
  readonly #candidates: readonly Candidate[];
  readonly quarantined: readonly Quarantine[];

  private constructor(candidates: readonly Candidate[], quarantined: readonly Quarantine[]) {
    this.#candidates = candidates;
    this.quarantined = quarantined;
  }

  /** Opens the modules and tests them with the published vectors; what fails is quarantined, and the next one takes over. */
  static open(loaders: readonly ModuleLoader[] = MODULES): EngineSet {
    const quarantined: Quarantine[] = [];
    const candidates: Candidate[] = [];
    for (const loader of loaders) {
      const module = openModule(loader, quarantined);
      if (module !== undefined) candidates.push(...testedCandidates(module, quarantined));
    }
    return new EngineSet(candidates, quarantined);
  }

  /** The preferred module for an operation, at a level where it has levels (0: any). */
  find(operation: Operation, algorithm: AlgorithmName, level: number): Candidate | undefined {
    return this.#candidates.find(
      (each) =>
        each.operation === operation && each.algorithm === algorithm && reachesLevel(each.engine, level),
    );
  }

  /** Of every module: where the preferred one has fewer levels, another one stands in for it. */
  capabilities(): readonly Capability[] {
    return this.#candidates.map(({ operation, algorithm, module, implementation, engine }) => ({
      operation,
      algorithm,
      module,
      implementation,
      lane: laneOf(operation),
      keyBits: keyBitsOf(algorithm),
      minimumLevel: engine.kind === 'compression' ? engine.minimumLevel : 0,
      maximumLevel: engine.kind === 'compression' ? engine.maximumLevel : 0,
    }));
  }

  get candidates(): readonly Candidate[] {
    return this.#candidates;
  }
}

function openModule(loader: ModuleLoader, quarantined: Quarantine[]): EngineModule | undefined {
  try {
    return loader.open();
  } catch (failure) {
    quarantined.push({
      module: loader.name,
      reason: failure instanceof Error ? failure.message : String(failure),
    });
    return undefined;
  }
}

function* testedCandidates(module: EngineModule, quarantined: Quarantine[]): Iterable<Candidate> {
  for (const algorithm of ALGORITHM_NAMES) {
    const engine = module.engines[algorithm];
    if (engine === undefined) continue;
    for (const operation of operationsOf(algorithm)) {
      const reason = selfTest(algorithm, operation, engine);
      if (reason !== undefined) quarantined.push({ module: module.name, operation, algorithm, reason });
      else yield { operation, algorithm, module: module.name, implementation: module.implementation, engine };
    }
  }
}

const reachesLevel = (engine: Engine, level: number): boolean =>
  level === 0 ||
  engine.kind !== 'compression' ||
  (level >= engine.minimumLevel && level <= engine.maximumLevel);

function keyBitsOf(algorithm: AlgorithmName): number {
  if (!isKeyed(algorithm)) return 0;
  const description = describeAlgorithm(algorithm);
  if (description.kind === 'aead') return description.keyBytes * 8;
  return description.kind === 'mac' ? description.digestBytes * 8 : 0;
}
