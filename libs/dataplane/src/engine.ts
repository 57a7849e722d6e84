import type { Clock, Random } from '@outboard/core';
import type { DocumentReport, DocumentUpdate, ObjectProblem, Source } from './document.js';
import type { Driver, Spec } from './driver.js';
import type { HopHealth } from './hop-health.js';
import type { InspectPage, InspectQuery } from './inspect.js';

/** Makes a DPU's dataplane what its documents say, proves it by reading it back, and keeps it so. */
export interface DataplaneEngine<S extends Spec = Spec> extends AsyncDisposable {
  /** Observes and adopts what is there, then works. Documents may be submitted before. Throws if it cannot observe. */
  start(): Promise<void>;
  /**
   * Takes over the wanted state and returns at once; updates that follow each other are worked off together.
   * Entries that cannot be parsed become problems of the report. Throws AppError INVALID_ARGUMENT for an owner that
   * is not one of `owners`.
   */
  submit(update: DocumentUpdate): void;
  /**
   * Called when a version is applied and read back, and again whenever its problems change or something was repaired.
   * A listener that throws ends the process: it must not.
   */
  onReport(listener: (report: DocumentReport) => void): Disposable;
  /** What `submit` would do now, by the same code, without doing it. */
  plan(update: DocumentUpdate): Plan<S>;
  /** What is wanted and where it stands: at most `limit` neutral objects whose key starts with `prefix`. */
  snapshot(prefix?: string, limit?: number): EngineSnapshot<S>;
  /** A page of the driver's objects and where each stands. Throws AppError INVALID_ARGUMENT for an unknown type. */
  inspect(query: InspectQuery): InspectPage;
  /** Resolves when nothing is left to do now: what remains waits for a dependency, a retry or a change. */
  settled(): Promise<void>;
}

export interface DataplaneEngineOptions<S extends Spec> {
  /** Stays the caller's: the engine does not dispose it. */
  readonly driver: Driver<S>;
  /** All there will be: what carries no owner's name is removed only when the documents of all of them are known. */
  readonly owners: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  /** Of the hops that service chains go through; what depends on one follows at once. Absent: all are up. */
  readonly hopHealth?: HopHealth;
  /**
   * Milliseconds that a round of comparisons takes at least, in which everything is looked at once, section by section;
   * undefined: there are none. Events repair without them. After each the pause is 400 times as long as it took, as long
   * as a round takes no more than ten minutes.
   */
  readonly resyncMilliseconds?: number | undefined;
}

/** What the worker uses for `resyncMilliseconds` unless told otherwise. */
export const DEFAULT_RESYNC_MILLISECONDS = 60_000;

export interface Plan<S extends Spec> {
  readonly creates: readonly { readonly key: string; readonly spec: S }[];
  readonly updates: readonly { readonly key: string; readonly spec: S; readonly observed: S }[];
  readonly deletes: readonly { readonly key: string; readonly observed: S }[];
  readonly problems: readonly ObjectProblem[];
}

export interface EngineSnapshot<S extends Spec> {
  readonly documents: readonly {
    readonly owner: string;
    readonly epoch: string;
    readonly sequence: bigint;
    /** The whole document is known, not only changes of it. */
    readonly complete: boolean;
    readonly objectCount: number;
  }[];
  readonly objects: readonly ObjectSnapshot<S>[];
  /** Objects that match, listed or not. */
  readonly total: number;
}

export interface ObjectSnapshot<S extends Spec> {
  readonly owner: string;
  readonly key: string;
  readonly source: Source;
  readonly problem: ObjectProblem | undefined;
  readonly driverObjects: readonly {
    readonly key: string;
    readonly wanted: S;
    readonly observed: S | undefined;
  }[];
}
