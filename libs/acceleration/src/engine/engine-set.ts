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
import {
  type Engine,
  type EngineModule,
  type Implementation,
  isAllowed,
  type ModuleLoader,
  type Offload,
} from './engine.js';
import { type BreakerChange, type Candidate, type EngineActivity, EngineUnit } from './engine-unit.js';
import { FailoverEngine } from './failover-engine.js';
import type { ArmedFault } from './fault.js';
import { isal } from './modules/isal.js';
import { libcrypto } from './modules/libcrypto.js';
import { node } from './modules/node.js';
import { zstd } from './modules/zstd.js';
import { selfTest } from './self-test.js';

/** In the order in which they are preferred: hardware, native libraries, what comes with Node. */
export const MODULES: readonly ModuleLoader[] = [libcrypto, isal, zstd, node];

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
  readonly #units: readonly EngineUnit[];
  readonly quarantined: readonly Quarantine[];

  private constructor(units: readonly EngineUnit[], quarantined: readonly Quarantine[]) {
    this.#units = units;
    this.quarantined = quarantined;
  }

  /**
   * Opens the modules and tests them with the published vectors; what fails is quarantined, and the next one takes over.
   * `onBreaker` is told when an engine that fails is skipped from now on, and when it is used again.
   */
  static open(
    loaders: readonly ModuleLoader[] = MODULES,
    onBreaker: (change: BreakerChange) => void = () => {},
  ): EngineSet {
    const quarantined: Quarantine[] = [];
    const units: EngineUnit[] = [];
    for (const loader of loaders) {
      const module = openModule(loader, quarantined);
      if (module === undefined) continue;
      for (const candidate of testedCandidates(module, quarantined))
        units.push(new EngineUnit(candidate, onBreaker));
    }
    return new EngineSet(units, quarantined);
  }

  /** The preferred module for an operation, at a level where it has levels (0: any). */
  find(operation: Operation, algorithm: AlgorithmName, level: number): Candidate | undefined {
    return this.#unitsFor(operation, algorithm, level)[0]?.candidate;
  }

  /** All modules for an operation that `offload` allows, as one engine; undefined: there are none. */
  failover(
    operation: Operation,
    algorithm: AlgorithmName,
    level: number,
    offload: Offload = 'PREFERRED',
  ): FailoverEngine | undefined {
    const units = this.#unitsFor(operation, algorithm, level).filter(({ candidate }) =>
      isAllowed(offload, candidate.implementation),
    );
    const [first] = units;
    return first && new FailoverEngine(first.candidate.engine.kind, units);
  }

  /** What each has done since the thread began: those that have done something. */
  activity(): readonly EngineActivity[] {
    return this.#units
      .map(({ activity }) => activity)
      .filter(({ jobs, failures }) => jobs > 0 || failures > 0);
  }

  /** The faults that are in force from now on; of two for the same engine the first. */
  setFaults(faults: readonly ArmedFault[]): void {
    for (const unit of this.#units) {
      const { operation, algorithm, module } = unit.candidate;
      unit.fault = faults.find(
        ({ fault }) =>
          fault.operation === operation &&
          fault.algorithm === algorithm &&
          (fault.module === '' || fault.module === module),
      );
    }
  }

  /** Of every module: where the preferred one has fewer levels, another one stands in for it. */
  capabilities(): readonly Capability[] {
    return this.candidates.map(({ operation, algorithm, module, implementation, engine }) => ({
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
    return this.#units.map(({ candidate }) => candidate);
  }

  #unitsFor(operation: Operation, algorithm: AlgorithmName, level: number): readonly EngineUnit[] {
    return this.#units.filter(
      ({ candidate: each }) =>
        each.operation === operation && each.algorithm === algorithm && reachesLevel(each.engine, level),
    );
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
