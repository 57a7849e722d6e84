import { setImmediate as nextTurn } from 'node:timers/promises';
import { DeltaTracker, LaneQueue, PruneGate, Retries, satisfies, WakeIndex } from '@outboard/reconcile';
import type { DocumentReport, DocumentUpdate } from '../document.js';
import type { Change, Driver, ObservedObject, Scope, Spec } from '../driver.js';
import type {
  DataplaneEngine,
  DataplaneEngineOptions,
  EngineSnapshot,
  ObjectSnapshot,
  Plan,
} from '../engine.js';
import { ApplyPass } from './apply-pass.js';
import { Progress, type Urgency } from './progress.js';
import { type NeutralRecord, type Want, Wants } from './wants.js';

/** An update of up to so many entries is urgent: somebody waits for it. A larger one must not make others wait. */
const URGENT_ENTRIES = 256;
const RECORDS_PER_TURN = 512;
const URGENT_KEYS_PER_TURN = 512;
/** About 10 ms of kernel time: as long as an urgent change may have to wait for bulk work. */
const BULK_KEYS_PER_TURN = 1024;
/** Beyond this many, looking at everything once is cheaper than at each. */
const SUSPECTS_BEFORE_RESYNC = 4096;
const OBSERVATIONS_PER_SLICE = 1000;
const DEFAULT_SNAPSHOT_LIMIT = 1000;
const OBSERVE_RETRY_MILLISECONDS = 500;
const BACKOFF = { initial: 10, maximum: 30_000 };

/** Lanes of records: urgent before bulk, and in each what claims before what releases, so that nothing is removed that stays. */
const RECORD_LANES = { urgent: { present: 0, gone: 1 }, bulk: { structure: 2, present: 3, gone: 4 } };
/** What others live in: without it they would only wait. */
const STRUCTURE = /^(router|bridgedomain)\//;

/**
 * The loop. One turn: look again at what events made doubtful, realise changed records, carry out what is urgent, then
 * a portion of the rest; report. Documents and hints only fill queues, each bounded by the number of keys.
 */
export class Engine<S extends Spec> implements DataplaneEngine<S> {
  readonly #driver: Driver<S>;
  readonly #wants: Wants<S>;
  readonly #tracker = new DeltaTracker<Want<S>, ObservedObject<S>>(
    (want, { ownership, spec }) => ownership.kind === 'owned' && satisfies(want.object.spec, spec),
  );
  readonly #progress: Progress;
  readonly #gate: PruneGate;
  readonly #retries: Retries;
  readonly #waits = new WakeIndex();
  readonly #records = new LaneQueue(5);
  /** Urgent; bulk by rank; slow removals. */
  readonly #work: LaneQueue;
  readonly #rank: ReadonlyMap<S['kind'], number>;
  readonly #pass: ApplyPass<S>;
  /** Keys to look at again; true: and at what stands after them. */
  readonly #suspects = new Map<string, boolean>();
  /** Applied, but not read back yet: large numbers are read in one go. */
  readonly #unverified = new Set<string>();
  /** Keys that passes worked on while an observation in the background was under way: it knows them as they were. */
  #touched: Set<string> | undefined;
  #background: Promise<void> | undefined;
  #resyncDue = false;
  readonly #listeners = new Set<(report: DocumentReport) => void>();
  #closed = false;
  #started = false;
  #running: Promise<void> | undefined;
  #signal: () => void = () => undefined;
  #idle: (() => void)[] = [];
  #watch: Disposable | undefined;
  #timer: Disposable | undefined;

  constructor(private readonly options: DataplaneEngineOptions<S>) {
    const { driver, owners, clock, random } = options;
    this.#driver = driver;
    this.#wants = new Wants(driver, owners);
    this.#progress = new Progress(owners);
    this.#gate = new PruneGate(owners);
    this.#retries = new Retries(BACKOFF, clock, random, (keys) => this.#retry(keys));
    this.#rank = new Map(driver.order.map((kind, index) => [kind, index]));
    this.#work = new LaneQueue(driver.order.length + 2);
    this.#pass = new ApplyPass({
      driver,
      wants: this.#wants,
      tracker: this.#tracker,
      progress: this.#progress,
      gate: this.#gate,
      retries: this.#retries,
      waits: this.#waits,
      rankOf: (kind) => this.#rank.get(kind) ?? 0,
      queue: (key, urgency) => this.#queue(key, urgency),
      dequeue: (key) => this.#work.delete(key),
      isQueued: (key) => this.#work.has(key),
      later: (key) => this.#unverified.add(key),
      touched: (key) => this.#touched?.add(key),
      lost: (key) => this.#suspect(key, true),
    });
  }

  async start(): Promise<void> {
    this.#watch = this.#driver.watch((change) => this.#changed(change));
    this.#adopt(await this.#driver.observe({ kind: 'all' }));
    this.#started = true;
    this.#scheduleResync();
    this.#running = this.#run();
  }

  submit(update: DocumentUpdate): void {
    const known = this.#wants.isComplete(update.owner);
    const records = this.#wants.accept(update);
    const urgency = records.length <= URGENT_ENTRIES ? 'urgent' : 'bulk';
    for (const record of records) this.#queueRecord(record, urgency);
    if (!known && this.#wants.isComplete(update.owner)) this.#openGates();
    this.#progress.changed(update.owner, urgency);
    this.#signal();
  }

  onReport(listener: (report: DocumentReport) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  plan(update: DocumentUpdate): Plan<S> {
    const plan = { creates: [], updates: [], deletes: [], problems: [] } as {
      -readonly [Field in keyof Plan<S>]: Plan<S>[Field][number][];
    };
    const touched = this.#wants.preview(update, (keys, records) => {
      for (const key of new Set(keys)) {
        const spec = this.#wants.wanted(key)?.object.spec;
        const observed = this.#tracker.get(key)?.observed;
        if (spec === undefined) {
          if (observed?.ownership.kind === 'owned') plan.deletes.push({ key, observed: observed.spec });
        } else if (observed === undefined) plan.creates.push({ key, spec });
        else if (!satisfies(spec, observed.spec)) plan.updates.push({ key, spec, observed: observed.spec });
      }
      for (const record of records) {
        const { key, source } = record;
        const issue = this.#pass.issueOf(record);
        if (issue !== undefined) plan.problems.push({ key, source, ...issue });
      }
    });
    for (const key of touched) this.#sync(key, 'urgent', []);
    this.#signal();
    return plan;
  }

  snapshot(prefix = '', limit = DEFAULT_SNAPSHOT_LIMIT): EngineSnapshot<S> {
    const objects: ObjectSnapshot<S>[] = [];
    let total = 0;
    for (const owner of this.#wants.owners) {
      for (const record of this.#wants.records(owner).values()) {
        if (!record.key.startsWith(prefix) || ++total > limit) continue;
        const { key, source } = record;
        const driverObjects = record.objects.map(({ key, spec }) => {
          const observed = this.#tracker.get(key)?.observed?.spec;
          return { key, wanted: spec, observed };
        });
        objects.push({ owner, key, source, problem: this.#progress.problemOf(record), driverObjects });
      }
    }
    const documents = this.#wants.owners.map((owner) => {
      const { epoch, sequence } = this.#wants.version(owner);
      const objectCount = this.#wants.records(owner).size;
      return { owner, epoch, sequence, complete: this.#wants.isComplete(owner), objectCount };
    });
    return { documents, objects, total };
  }

  settled(): Promise<void> {
    const idle = this.#started && !this.#hasWork() && this.#background === undefined;
    if (this.#closed || idle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#watch?.[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    this.#retries[Symbol.dispose]();
    this.#signal();
    await this.#running;
    await this.#background;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      if (this.#hasWork()) await this.#turn();
      else {
        this.#report();
        if (this.#background === undefined) for (const resolve of this.#idle.splice(0)) resolve();
        await new Promise<void>((resolve) => {
          this.#signal = resolve;
        });
      }
    }
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #hasWork(): boolean {
    if (this.#records.size + this.#work.size + this.#suspects.size > 0) return true;
    return this.#background === undefined && (this.#unverified.size > 0 || this.#resyncDue);
  }

  async #turn(): Promise<void> {
    await this.#lookAgain();
    for (const id of this.#records.take(RECORDS_PER_TURN)) this.#realise(id);
    this.#openGates();
    const urgent = this.#work.take(URGENT_KEYS_PER_TURN, 0);
    if (urgent.length > 0) {
      await this.#pass.run(urgent, 'urgent');
      this.#report();
    }
    const bulk = this.#work.take(BULK_KEYS_PER_TURN);
    if (bulk.length > 0) await this.#pass.run(bulk, 'bulk');
    await this.#verify();
    this.#report();
    // Whatever else the process does (its bus, its heartbeat) goes on between turns.
    await nextTurn();
  }

  #realise(id: string): void {
    const record = this.#wants.stale(id);
    if (record !== undefined) {
      const urgency = this.#progress.urgencyOf(id) ?? 'bulk';
      for (const key of this.#wants.realise(record)) this.#sync(key, urgency, [record]);
      this.#pass.judge(record);
    }
    this.#progress.close(id);
  }

  /** Brings the tracker up to what is wanted for a key, and queues it if that leaves something to do. */
  #sync(key: string, urgency: Urgency, releasing: readonly NeutralRecord<S>[]): void {
    const want = this.#wants.wanted(key);
    this.#tracker.want(key, want);
    this.#pass.desireChanged(key, want === undefined ? releasing : []);
    if (this.#tracker.pendingOf(key) === undefined) return;
    this.#progress.open(key, want?.claims ?? releasing, urgency);
    this.#queue(key, urgency);
  }

  #queue(key: string, urgency: Urgency): void {
    const entry = this.#tracker.get(key);
    const kind = entry?.wanted?.object.spec.kind ?? entry?.observed?.spec.kind;
    if (kind === undefined) return;
    const slow = entry?.wanted === undefined && this.#driver.slowToRemove.has(kind);
    const bulkLane = 1 + (this.#rank.get(kind) ?? 0);
    this.#work.add(key, slow ? this.#driver.order.length + 1 : urgency === 'urgent' ? 0 : bulkLane);
    this.#signal();
  }

  #queueRecord(record: NeutralRecord<S>, urgency: Urgency): void {
    const gone = record.bytes === undefined;
    const { present, structure, gone: last } = { structure: 0, ...RECORD_LANES[urgency] };
    const lane = gone ? last : urgency === 'bulk' && STRUCTURE.test(record.key) ? structure : present;
    this.#progress.open(record.id, [record], urgency);
    this.#records.add(record.id, lane);
  }

  #retry(keys: readonly string[]): void {
    for (const key of keys) {
      if (this.#tracker.get(key)?.observed?.ownership.kind !== 'foreign') this.#requeue([key]);
      else {
        // Not everything that is foreign tells when it goes.
        this.#retries.failed(key);
        this.#suspect(key, false);
      }
    }
    this.#signal();
  }

  #requeue(keys: readonly string[]): void {
    for (const key of keys) this.#queue(key, this.#progress.urgencyOf(key) ?? 'bulk');
  }

  /** Once all that an owner's document says is realised, what it does not say may go. */
  #openGates(): void {
    if (this.#records.size > 0) return;
    const complete = this.#wants.owners.filter(
      (owner) => this.#wants.isComplete(owner) && !this.#gate.isComplete(owner),
    );
    if (complete.length === 0) return;
    for (const owner of complete) this.#gate.complete(owner);
    for (const [key, pending] of this.#tracker.pending) if (pending === 'delete') this.#queue(key, 'bulk');
  }

  #changed(change: Change): void {
    switch (change.kind) {
      case 'objects':
        for (const key of change.changed) this.#suspect(key, false);
        for (const key of change.lost) this.#suspect(key, true);
        break;
      case 'everything':
        this.#resyncDue = true;
        break;
      case 'underlay':
        for (const record of this.#wants.staleAll()) this.#queueRecord(record, 'bulk');
        break;
      case 'functions':
        break;
    }
    this.#signal();
  }

  #suspect(key: string, lost: boolean): void {
    // What is not read back yet will be, and then shows whatever happened to it.
    if (this.#unverified.has(key) && !lost) return;
    this.#suspects.set(key, lost || (this.#suspects.get(key) ?? false));
  }

  /** Looks at what events made doubtful. What is wanted and not so any more is repaired at once. */
  async #lookAgain(): Promise<void> {
    if (this.#suspects.size === 0) return;
    if (this.#suspects.size > SUSPECTS_BEFORE_RESYNC) {
      this.#suspects.clear();
      this.#resyncDue = true;
      return;
    }
    const lost = [...this.#suspects].filter(([, isLost]) => isLost).map(([key]) => key);
    for (const key of this.#pass.dependentsOf(lost)) this.#suspects.set(key, false);
    const keys = [...this.#suspects.keys()];
    // Whatever is told from here on is told about something later than what is seen now.
    this.#suspects.clear();
    let objects: readonly ObservedObject<S>[];
    try {
      objects = await this.#driver.observe({ kind: 'keys', keys });
    } catch {
      // A look at everything will show it; it comes with a pause, and repeats until it succeeds.
      this.#resyncDue = true;
      return;
    }
    const found = new Map(objects.map((one) => [one.key, one]));
    for (const key of keys) this.#pass.seen(key, found.get(key), 'urgent');
  }

  /** Reads back what was applied in bulk: a little at once, much in the background. */
  async #verify(): Promise<void> {
    if (this.#background !== undefined) return;
    if (this.#resyncDue) {
      this.#resyncDue = false;
      this.#observeInBackground({ kind: 'all' });
    } else if (this.#unverified.size > 0 && this.#work.size === 0) {
      const keys = [...this.#unverified];
      if (keys.length > BULK_KEYS_PER_TURN) this.#observeInBackground({ kind: 'keys', keys });
      else {
        this.#unverified.clear();
        await this.#pass.verify(keys);
      }
    }
  }

  #observeInBackground(scope: Scope): void {
    const touched = new Set<string>();
    this.#touched = touched;
    const verified = [...this.#unverified];
    this.#unverified.clear();
    const work = async (): Promise<void> => {
      const objects = await this.#driver.observe(scope);
      const found = new Map(objects.map((one) => [one.key, one]));
      const keys = new Set(scope.kind === 'keys' ? scope.keys : this.#tracker.keys());
      for (const key of found.keys()) keys.add(key);
      const expected = new Set(verified);
      let count = 0;
      for (const key of keys) {
        if (++count % OBSERVATIONS_PER_SLICE === 0) await nextTurn();
        if (touched.has(key)) continue;
        if (expected.delete(key)) this.#pass.readBack(key, found.get(key));
        else this.#pass.seen(key, found.get(key), 'bulk');
      }
      if (scope.kind === 'all') this.#requeue(this.#waits.wakeAll());
    };
    this.#background = work()
      .catch(() => {
        // It could not look: what is unverified stays so until it can.
        this.#resyncDue = true;
        for (const key of verified) this.#unverified.add(key);
        return this.options.clock.delay(OBSERVE_RETRY_MILLISECONDS);
      })
      .then(() => {
        this.#background = undefined;
        this.#touched = undefined;
        this.#signal();
      });
  }

  #adopt(objects: readonly ObservedObject<S>[]): void {
    for (const object of objects) this.#tracker.observe(object.key, object);
  }

  #scheduleResync(): void {
    const { resyncMilliseconds, clock } = this.options;
    if (resyncMilliseconds === undefined) return;
    this.#timer = clock.schedule(resyncMilliseconds, () => {
      this.#resyncDue = true;
      this.#signal();
      this.#scheduleResync();
    });
  }

  #report(): void {
    for (const owner of this.#wants.owners) {
      const report = this.#progress.report(owner, this.#wants.version(owner));
      if (report === undefined) continue;
      for (const listener of this.#listeners) listener(report);
    }
  }
}
