import type { DataPath, SessionGrant } from '@outboard/acceleration';
import { AppError, type Clock } from '@outboard/core';
import {
  type DataplaneEngine,
  type DocumentReport,
  type DocumentUpdate,
  MAX_LISTED_PROBLEMS,
  type ObjectProblem,
  type Source,
} from '@outboard/dataplane/contract';
import { DocumentObjects } from './document-objects.js';
import { type HeldSession, LocalHolders, type SessionName } from './local-holders.js';
import type { WantedObject } from './wire.js';

/** Sessions and keys that are made at one time. */
const PARALLEL = 32;
/** Before what failed for a reason of this machine is tried again. */
const RETRY_MILLISECONDS = 2000;
const NOBODY: Source = { kind: '', tenant: '', name: '' };

export interface AccelerationEnginePorts {
  readonly dataPath: Pick<
    DataPath,
    'directoryOf' | 'grant' | 'revoke' | 'removeUnused' | 'applyKey' | 'removeKey'
  >;
  readonly clock: Clock;
}

/** What the data path has of an object. */
interface Served {
  readonly kind: WantedObject['kind'];
  readonly uid: string;
}

/**
 * Has the data path serve what the document of owner `acceleration` says. What goes is taken away before anything new
 * comes, keys first; a session that names a key of somebody else is not served.
 */
export class AccelerationEngine implements Pick<DataplaneEngine, 'submit' | 'onReport'>, AsyncDisposable {
  readonly #objects = new DocumentObjects();
  readonly #served = new Map<string, Served>();
  readonly #problems = new Map<string, ObjectProblem>();
  readonly #dirty = new Set<string>();
  /** What failed for a reason of this machine. */
  readonly #again = new Set<string>();
  readonly #listeners = new Set<(report: DocumentReport) => void>();
  readonly #holders = new LocalHolders();
  /** All that is wanted is known, and what else there is has not been looked for yet. */
  #isWhole = false;
  /** A version has come that no round has begun with: it is reported though it may change nothing. */
  #isSubmitted = false;
  #update: Pick<DocumentUpdate, 'owner' | 'version'> | undefined;
  #applied: DocumentUpdate['version'] | undefined;
  #running: Promise<void> | undefined;
  #retry: Disposable | undefined;
  #closed = false;

  constructor(private readonly ports: AccelerationEnginePorts) {}

  submit({ owner, version, complete, upserts, deletes }: DocumentUpdate): void {
    this.#update = { owner, version };
    this.#isSubmitted = true;
    if (complete !== undefined) {
      this.#isWhole = true;
      for (const key of [...this.#objects.keys()]) if (!complete.has(key)) this.#want(key, undefined);
      for (const [key, bytes] of complete) this.#want(key, bytes);
    }
    for (const [key, bytes] of upserts ?? []) this.#want(key, bytes);
    for (const key of deletes ?? []) this.#want(key, undefined);
    this.#start();
  }

  /** The version of the document that is served; undefined: none yet. What has left it is not served any more. */
  get applied(): DocumentUpdate['version'] | undefined {
    return this.#applied;
  }

  onReport(listener: (report: DocumentReport) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Where the sockets of a session are; undefined: it is not served here. */
  directoryOf(session: SessionName): string | undefined {
    const key = this.#objects.keyOf(session);
    const served = key === undefined ? undefined : this.#served.get(key);
    return served?.kind !== 'session' || this.#problems.get(key ?? '')?.state === 'FAILED'
      ? undefined
      : this.ports.dataPath.directoryOf(served.uid);
  }

  /**
   * Lets something that runs on this machine use sessions, each with a token of its own besides the session's; before it
   * could use others. Resolves when those that are served know it.
   */
  async admit(holder: string, sessions: readonly HeldSession[]): Promise<void> {
    for (const session of this.#holders.set(holder, sessions)) {
      const key = this.#objects.keyOf(session);
      if (key !== undefined) this.#dirty.add(key);
    }
    if (this.#dirty.size > 0) this.#start();
    while (this.#running !== undefined) await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#retry?.[Symbol.dispose]();
    await this.#running;
  }

  #want(key: string, bytes: Uint8Array | undefined): void {
    for (const touched of this.#objects.set(key, bytes)) this.#dirty.add(touched);
  }

  #start(): void {
    if (this.#running !== undefined || this.#closed) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#dirty.size > 0 || this.#isSubmitted) this.#start();
      else this.#tryAgainLater();
    });
  }

  async #run(): Promise<void> {
    // What comes while this is waited for belongs to the next round, with its version.
    const keys = [...this.#dirty];
    const update = this.#update;
    const isWhole = this.#isWhole;
    this.#dirty.clear();
    this.#isWhole = false;
    this.#isSubmitted = false;
    const wanted = keys.filter((key) => this.#judge(key));
    const kept = new Set(wanted);
    const goes = keys.filter((key) => !kept.has(key));
    for (const kind of ['key', 'session'] as const)
      await each(
        goes.filter((key) => this.#served.get(key)?.kind === kind),
        (key) => this.#take(key),
      );
    for (const kind of ['key', 'session'] as const)
      await each(
        wanted.filter((key) => this.#wanted(key)?.kind === kind),
        (key) => this.#serve(key),
      );
    if (isWhole) await this.ports.dataPath.removeUnused();
    if (update !== undefined) this.#report(update);
  }

  #wanted(key: string): WantedObject | undefined {
    const object = this.#objects.get(key);
    return object?.ok ? object.value : undefined;
  }

  /** Whether an object is to be served; notes what is wrong with it. */
  #judge(key: string): boolean {
    this.#problems.delete(key);
    this.#again.delete(key);
    const object = this.#objects.get(key);
    if (object === undefined) return false;
    if (!object.ok) {
      this.#note(key, 'UNSUPPORTED', messageOf(object.error));
      return false;
    }
    if (object.value.kind === 'key') return true;
    const refusal = this.#objects.refusal(object.value);
    const missing = this.#objects.missingKey(object.value);
    if (refusal !== undefined) this.#note(key, 'FAILED', refusal);
    else if (missing !== undefined) this.#note(key, 'PENDING', `key ${missing} is not here`);
    return refusal === undefined;
  }

  async #take(key: string): Promise<void> {
    const served = this.#served.get(key);
    if (served === undefined) return;
    this.#served.delete(key);
    const { dataPath } = this.ports;
    await this.#attempt(key, () =>
      served.kind === 'key' ? dataPath.removeKey(served.uid) : dataPath.revoke(served.uid),
    );
  }

  async #serve(key: string): Promise<void> {
    const object = this.#wanted(key);
    if (object === undefined) return;
    const { dataPath } = this.ports;
    const uid = object.kind === 'key' ? object.key.keyUid : object.grant.sessionUid;
    this.#served.set(key, { kind: object.kind, uid });
    await this.#attempt(key, () =>
      object.kind === 'key' ? dataPath.applyKey(object.key) : dataPath.grant(this.#grantOf(object)),
    );
  }

  #grantOf({ grant, source }: Extract<WantedObject, { kind: 'session' }>): SessionGrant {
    return { ...grant, tokenDigests: [...grant.tokenDigests, ...this.#holders.tokenDigestsOf(source)] };
  }

  /** What is wrong with what is wanted stays so; what is wrong here is tried again. */
  async #attempt(key: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (failure) {
      const error = AppError.from(failure);
      const isWrong = error.code === 'INVALID_ARGUMENT';
      if (!isWrong) this.#again.add(key);
      this.#note(key, isWrong ? 'FAILED' : 'PENDING', messageOf(error));
    }
  }

  #note(key: string, state: ObjectProblem['state'], message: string): void {
    const source = this.#wanted(key)?.source ?? NOBODY;
    this.#problems.set(key, { key, source, state, message });
  }

  #report({ owner, version }: Pick<DocumentUpdate, 'owner' | 'version'>): void {
    const problems = [...this.#problems.values()];
    const report: DocumentReport = {
      owner,
      version,
      problems: problems.slice(0, MAX_LISTED_PROBLEMS),
      problemTotal: problems.length,
      repaired: 0,
    };
    this.#applied = version;
    for (const listener of this.#listeners) listener(report);
  }

  #tryAgainLater(): void {
    if (this.#closed || this.#again.size === 0) return;
    this.#retry?.[Symbol.dispose]();
    this.#retry = this.ports.clock.schedule(RETRY_MILLISECONDS, () => {
      for (const key of this.#again) this.#dirty.add(key);
      this.#start();
    });
  }
}

async function each(keys: readonly string[], action: (key: string) => Promise<void>): Promise<void> {
  for (let at = 0; at < keys.length; at += PARALLEL)
    await Promise.all(keys.slice(at, at + PARALLEL).map(action));
}

const messageOf = ({ message, violations }: AppError): string =>
  violations.length === 0
    ? message
    : violations.map(({ field, description }) => `${field} ${description}`).join('; ');
