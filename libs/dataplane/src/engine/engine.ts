import { setImmediate as nextTurn } from 'node:timers/promises';
import { DeltaTracker, LaneQueue, PruneGate, Retries, satisfies, WakeIndex } from '@outboard/reconcile';
import type { DocumentReport, DocumentUpdate } from '../document.js';
import type { Change, Driver, DriverObject, ObservedObject, Spec } from '../driver.js';
import type {
  DataplaneEngine,
  DataplaneEngineOptions,
  EngineSnapshot,
  ObjectSnapshot,
  Plan,
} from '../engine.js';
import { hopKey } from '../hop-health.js';
import type { InspectPage, InspectQuery } from '../inspect.js';
import { ApplyPass } from './apply-pass.js';
import { Closures } from './closures.js';
import { dependentsOf } from './dependencies.js';
import { asWanted, Entry, type NeutralRecord, NOBODY, type Task, type Urgency } from './entry.js';
import { inspectEntries } from './inspect.js';
import { Issues } from './issues.js';
import { Looks } from './looks.js';
import { Offloads } from './offloads.js';
import { Progress } from './progress.js';
import { Wants } from './wants.js';

/** An update of up to so many entries is urgent: somebody waits for it. A larger one must not make others wait. */
const URGENT_ENTRIES = 256;
const RECORDS_PER_TURN = 1024;
const URGENT_KEYS_PER_TURN = 512;
/** About 10 ms of kernel time: as long as an urgent change may have to wait for bulk work. */
const BULK_KEYS_PER_TURN = 1024;
/** Beyond this many, looking at everything once is cheaper than at each. */
const SUSPECTS_BEFORE_RESYNC = 4096;
const DEFAULT_SNAPSHOT_LIMIT = 1000;
const BACKOFF = { initial: 10, maximum: 30_000 };

/** Lanes of records: urgent before bulk, and in each what claims before what releases, so that nothing is removed that stays. */
const RECORD_LANES = {
  urgent: { structure: 0, present: 0, gone: 1 },
  bulk: { structure: 2, present: 3, gone: 4 },
};
/** What others live in: without it they would only wait. */
const isStructure = (key: string): boolean => key.startsWith('router/') || key.startsWith('bridgedomain/');

/**
 * The loop. One turn: look again at what events made doubtful, realise changed records, carry out what is urgent, then
 * a portion of the rest; report. Documents and hints only fill queues, each bounded by the number of keys.
 */
export class Engine<S extends Spec> implements DataplaneEngine<S> {
  readonly #driver: Driver<S>;
  readonly #tracker = new DeltaTracker<DriverObject<S>, ObservedObject<S>, Entry<S>>(
    (wanted, { ownership, spec }) => ownership.kind === 'owned' && satisfies(wanted.spec, spec),
    (key) => new Entry(key),
    asWanted,
  );
  readonly #closures = new Closures<S>(this.#tracker, (entry) => this.#sync(entry, 'urgent', NOBODY));
  readonly #wants: Wants<S>;
  readonly #progress: Progress;
  readonly #issues: Issues<S>;
  readonly #offloads: Offloads<S>;
  readonly #gate: PruneGate;
  readonly #retries: Retries;
  readonly #waits = new WakeIndex();
  readonly #records = new LaneQueue<NeutralRecord<S>>(5);
  /** Urgent; bulk by rank; slow removals. */
  readonly #work: LaneQueue<Entry<S>>;
  readonly #rank: ReadonlyMap<S['kind'], number>;
  readonly #pass: ApplyPass<S>;
  /** Keys to look at again; true: and at what cannot be without them. */
  readonly #suspects = new Map<string, boolean>();
  readonly #looks: Looks<S>;
  readonly #listeners = new Set<(report: DocumentReport) => void>();
  #closed = false;
  #started = false;
  /** A turn is under way. */
  #busy = false;
  #running: Promise<void> | undefined;
  #signal: () => void = () => undefined;
  #idle: (() => void)[] = [];
  #watch: Disposable | undefined;
  #hops: Disposable | undefined;

  constructor(private readonly options: DataplaneEngineOptions<S>) {
    const { driver, owners, clock, random, hopHealth } = options;
    this.#driver = driver;
    this.#wants = new Wants(driver, this.#tracker, this.#closures, owners, hopHealth);
    this.#progress = new Progress(owners);
    this.#issues = new Issues(this.#tracker, this.#closures, this.#progress);
    this.#offloads = new Offloads(driver, this.#wants, this.#tracker);
    this.#gate = new PruneGate(owners);
    this.#retries = new Retries(BACKOFF, clock, random, (keys) => this.#retry(keys));
    this.#rank = new Map(driver.order.map((kind, index) => [kind, index]));
    this.#work = new LaneQueue(driver.order.length + 2);
    const groups = new Map(driver.together?.flatMap((group) => [...group].map((kind) => [kind, group])));
    this.#pass = new ApplyPass({
      driver,
      wants: this.#wants,
      tracker: this.#tracker,
      closures: this.#closures,
      issues: this.#issues,
      progress: this.#progress,
      offloads: this.#offloads,
      gate: this.#gate,
      retries: this.#retries,
      waits: this.#waits,
      rankOf: (kind) => this.#rank.get(kind) ?? 0,
      groupOf: (kind) => groups.get(kind) ?? kind,
      queue: (entry, urgency) => this.#queue(entry, urgency),
      dequeue: (entry) => this.#work.delete(entry),
      later: (entry) => this.#looks.later(entry),
      lost: (key) => this.#suspect(key, true),
    });
    this.#looks = new Looks({
      driver,
      tracker: this.#tracker,
      pass: this.#pass,
      clock,
      resyncMilliseconds: options.resyncMilliseconds,
      // What somebody waits for may have come without a word.
      onEverythingSeen: () => this.#requeue(this.#waits.wakeAll()),
      onDue: () => this.#signal(),
    });
  }

  async start(): Promise<void> {
    this.#watch = this.#driver.watch((change) => this.#changed(change));
    this.#hops = this.options.hopHealth?.watch((portUid) => this.#hopChanged(portUid));
    this.#probeHardware();
    for (const object of await this.#driver.observe({ kind: 'all' }))
      this.#tracker.observe(this.#tracker.at(object.key), object);
    this.#started = true;
    this.#openGates();
    this.#looks.start();
    this.#running = this.#run();
  }

  submit(update: DocumentUpdate): void {
    const records = this.#wants.accept(update);
    // With the first one leftovers go: gates of ports must not open before what others left behind them is gone.
    const isFirst = !this.#gate.isComplete(update.owner);
    const urgency = records.length <= URGENT_ENTRIES && !isFirst ? 'urgent' : 'bulk';
    for (const record of records) this.#queueRecord(record, urgency);
    this.#openGates();
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
    const touched = this.#wants.preview(update, (entries, records) => {
      for (const { key, wanted, observed } of new Set(entries)) {
        if (wanted === undefined) {
          if (observed?.ownership.kind === 'owned') plan.deletes.push({ key, observed: observed.spec });
        } else if (observed === undefined) plan.creates.push({ key, spec: wanted.spec });
        else if (!satisfies(wanted.spec, observed.spec))
          plan.updates.push({ key, spec: wanted.spec, observed: observed.spec });
      }
      for (const record of records) {
        const { key, source } = record;
        const issue = this.#issues.of(record);
        if (issue !== undefined) plan.problems.push({ key, source, ...issue });
      }
    });
    for (const entry of touched) this.#sync(entry, 'urgent', []);
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
        const driverObjects = record.objects.flatMap(({ key, spec }) => {
          const entry = this.#tracker.get(key);
          // Guesses that differ from each other are not wanted.
          return entry?.wanted ? [{ key, wanted: spec, observed: entry.observed?.spec }] : [];
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

  inspect(query: InspectQuery): InspectPage {
    const issueOf = (key: string) => this.#issues.with(key);
    return inspectEntries(this.#tracker.entries(), this.#driver, issueOf, query);
  }

  settled(): Promise<void> {
    const idle = this.#started && !this.#busy && !this.#hasWork() && !this.#looks.isUnderWay;
    if (this.#closed || idle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#watch?.[Symbol.dispose]();
    this.#hops?.[Symbol.dispose]();
    this.#retries[Symbol.dispose]();
    this.#signal();
    await this.#running;
    await this.#looks[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      if (this.#hasWork()) {
        this.#busy = true;
        await this.#turn();
        this.#busy = false;
      } else {
        this.#report();
        if (!this.#looks.isUnderWay) for (const resolve of this.#idle.splice(0)) resolve();
        await new Promise<void>((resolve) => {
          this.#signal = resolve;
        });
      }
    }
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #hasWork(): boolean {
    if (this.#records.size + this.#work.size + this.#suspects.size > 0) return true;
    return this.#looks.isDue;
  }

  async #turn(): Promise<void> {
    await this.#lookAgain();
    for (const record of this.#records.take(RECORDS_PER_TURN)) this.#realise(record);
    this.#openGates();
    const urgent = this.#work.take(URGENT_KEYS_PER_TURN, 0);
    if (urgent.length > 0) {
      await this.#pass.run(urgent, 'urgent');
      this.#report();
    }
    const bulk = this.#work.take(BULK_KEYS_PER_TURN);
    if (bulk.length > 0) await this.#pass.run(bulk, 'bulk');
    await this.#looks.verify(this.#work.size + this.#records.size === 0);
    this.#report();
    // Whatever else the process does (its bus, its heartbeat) goes on between turns.
    await nextTurn();
  }

  #realise(record: NeutralRecord<S>): void {
    // One that is not stale any more has a successor, which waits itself.
    if (record.stale) {
      const urgency = record.urgency ?? 'bulk';
      for (const entry of this.#wants.realise(record)) this.#sync(entry, urgency, record.alone, record);
      this.#issues.judge(record);
      this.#offloads.doubt(record.alone);
    }
    this.#progress.close(record);
  }

  /** Takes note that an object may be wanted otherwise, and queues it if that leaves something to do. */
  #sync(entry: Entry<S>, urgency: Urgency, releasing: readonly NeutralRecord<S>[], cause?: Task): void {
    const { wanted, claims } = entry;
    this.#pass.desireChanged(entry, wanted === undefined ? releasing : NOBODY);
    if (entry.pending === undefined) return;
    this.#progress.open(entry, wanted === undefined ? releasing : claims, urgency, cause);
    this.#queue(entry, urgency);
  }

  #queue(entry: Entry<S>, urgency: Urgency): void {
    const { wanted, observed } = entry;
    const kind = wanted?.spec.kind ?? observed?.spec.kind;
    if (kind === undefined) return;
    const { order, slowToRemove } = this.#driver;
    if (wanted === undefined && slowToRemove.has(kind)) this.#work.add(entry, order.length + 1);
    else this.#work.add(entry, urgency === 'urgent' ? 0 : 1 + (this.#rank.get(kind) ?? 0));
    this.#signal();
  }

  #queueRecord(record: NeutralRecord<S>, urgency: Urgency): void {
    const { present, structure, gone } = RECORD_LANES[urgency];
    this.#progress.open(record, record.alone, urgency);
    if (record.bytes === undefined) this.#records.add(record, gone);
    else this.#records.add(record, isStructure(record.key) ? structure : present);
  }

  #retry(keys: readonly string[]): void {
    for (const key of keys) {
      const entry = this.#tracker.get(key);
      if (entry?.observed?.ownership.kind !== 'foreign') this.#requeue([key]);
      else {
        // Not everything that is foreign tells when it goes.
        this.#retries.failed(key);
        this.#suspect(key, false);
      }
    }
    this.#signal();
  }

  #requeue(keys: readonly string[]): void {
    for (const key of keys) {
      const entry = this.#tracker.get(key);
      if (entry !== undefined) this.#queue(entry, entry.urgency ?? 'bulk');
    }
  }

  /** Once all that an owner's document says is realised, what it does not say may go. */
  #openGates(): void {
    // What was left is not known before the first look.
    if (!this.#started || this.#records.size > 0) return;
    const complete = this.#wants.owners.filter(
      (owner) => this.#wants.isComplete(owner) && !this.#gate.isComplete(owner),
    );
    if (complete.length === 0) return;
    for (const owner of complete) this.#gate.complete(owner);
    for (const entry of this.#tracker.entries())
      if (entry.pending === 'delete') this.#pass.releaseLeftover(entry);
  }

  #changed(change: Change): void {
    switch (change.kind) {
      case 'objects':
        for (const key of change.changed) this.#suspect(key, false);
        for (const key of change.lost) this.#suspect(key, true);
        break;
      case 'everything':
        this.#looks.everythingIsDue();
        break;
      case 'underlay':
        this.#probeHardware();
        for (const record of this.#wants.all()) this.#queueRecord(record, 'bulk');
        break;
      case 'functions':
        this.#probeHardware();
        break;
    }
    this.#signal();
  }

  #hopChanged(portUid: string): void {
    for (const record of this.#wants.referringTo(hopKey(portUid))) this.#queueRecord(record, 'urgent');
    this.#signal();
  }

  #probeHardware(): void {
    for (const owner of this.#offloads.probe()) this.#progress.news(owner);
  }

  #suspect(key: string, lost: boolean): void {
    // What is not read back yet will be, and then shows whatever happened to it.
    const stage = this.#tracker.get(key)?.stage;
    if ((stage === 'unverified' || stage === 'inHand' || stage === 'applied') && !lost) return;
    this.#suspects.set(key, lost || (this.#suspects.get(key) ?? false));
  }

  /** Looks at what events made doubtful. What is wanted and not so any more is repaired at once. */
  async #lookAgain(): Promise<void> {
    if (this.#suspects.size === 0) return;
    if (this.#suspects.size > SUSPECTS_BEFORE_RESYNC) {
      this.#suspects.clear();
      this.#looks.everythingIsDue();
      return;
    }
    const lost = [...this.#suspects].filter(([, isLost]) => isLost).map(([key]) => key);
    for (const key of dependentsOf(this.#tracker, this.#wants, lost)) this.#suspects.set(key, false);
    const keys = [...this.#suspects.keys()];
    // Whatever is told from here on is told about something later than what is seen now.
    this.#suspects.clear();
    let objects: readonly ObservedObject<S>[];
    try {
      objects = await this.#driver.observe({ kind: 'keys', keys });
    } catch {
      // A look at everything will show it; it comes with a pause, and repeats until it succeeds.
      this.#looks.everythingIsDue();
      return;
    }
    const found = new Map(objects.map((one) => [one.key, one]));
    for (const key of keys) this.#pass.seen(key, found.get(key), 'urgent');
  }

  #report(): void {
    for (const owner of this.#wants.owners) {
      if (this.#offloads.judge(owner)) this.#progress.news(owner);
      const report = this.#progress.report(owner, this.#wants.version(owner));
      if (report === undefined) continue;
      const offload = this.#offloads.of(owner);
      for (const listener of this.#listeners) listener(offload ? { ...report, offload } : report);
    }
  }
}
