import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { Bus, Received, Subscription } from '@outboard/bus';
import {
  type Delta,
  DeltaSchema,
  DocumentDigest,
  decodeBinary,
  encodeBinary,
  FetchRequestSchema,
  FetchResponseSchema,
  type ObjectProblem,
  ObjectProblem_State,
  ObservedReportSchema,
  SyncRequestSchema,
  SyncResponseSchema,
  subjects,
} from '@outboard/contracts';
import { type AppError, ok, type Result, unwrap } from '@outboard/core';

const NOTHING = { epoch: '', sequence: 0n, digest: new DocumentDigest().toBytes() };

/** The worker's side of the document protocol, as plain as it can be: what it applies is a map of objects. */
export class FakeWorker {
  version = NOTHING;
  readonly entries = new Map<string, Uint8Array>();
  /** Every delta that arrived, whatever became of it. */
  readonly deltas: Delta[] = [];
  readonly answers: string[] = [];
  fetchedPages = 0;
  /** Hears nothing and says nothing. */
  isCutOff = false;
  /** Reports after each change; otherwise the test says when. */
  isReporting = true;
  /** Keys of objects that it cannot apply, and why: a message, or more than that. */
  readonly problems = new Map<
    string,
    string | Partial<Pick<ObjectProblem, 'state' | 'message' | 'underWay' | 'rolledBack'>>
  >();
  #subscription: Subscription | undefined;
  /** What is applied and was not heard: a worker tells it until it is. */
  #isUnreported = false;
  #work: Promise<void> = Promise.resolve();

  constructor(
    private readonly bus: Bus,
    readonly dpu: string,
    private readonly owner: string,
  ) {}

  async start(): Promise<void> {
    const subject = subjects.dpu(this.dpu, 'delta', this.owner);
    this.#subscription = await this.bus.subscribe(subject, (received) => this.#received(received));
    await this.sync();
  }

  async stop(): Promise<void> {
    await this.#subscription?.[Symbol.asyncDispose]();
    await this.#work;
  }

  /** The machine starts again and finds nothing. */
  reboot(): void {
    this.version = NOTHING;
    this.entries.clear();
  }

  /** What it holds is what the version says. */
  get isConsistent(): boolean {
    const entries = [...this.entries].map(([key, object]) => ({ key, object }));
    return DocumentDigest.of(entries).equals(this.version.digest);
  }

  keys(kind?: string): string[] {
    return [...this.entries.keys()].filter((key) => !kind || key.startsWith(`${kind}/`)).sort();
  }

  /** Resolves when all that has arrived is dealt with. */
  async idle(): Promise<void> {
    for (let work: unknown; work !== this.#work; ) {
      work = this.#work;
      await this.#work;
    }
  }

  /** Tells what it has, and takes what it lacks. */
  sync(): Promise<void> {
    return this.#then(async () => {
      if (!this.isCutOff) await this.#synchronise();
    });
  }

  /** Tells what is applied. */
  report(): Promise<void> {
    return this.#then(() => this.#report());
  }

  /** Handles a delta as if it had come just now. */
  receive(delta: Delta): Promise<void> {
    return this.#then(() => this.#take(delta));
  }

  #received({ body }: Received): void {
    if (this.isCutOff) return;
    const delta = unwrap(decodeBinary(DeltaSchema, body));
    this.deltas.push(delta);
    void this.receive(delta);
  }

  #then(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(step);
    return this.#work;
  }

  async #take(delta: Delta): Promise<void> {
    const outcome = this.#apply(delta);
    if (outcome === 'applied') await this.#reportIfAsked();
    else if (outcome === 'unfit') await this.#synchronise();
  }

  async #synchronise(): Promise<void> {
    const answer = await this.#request('sync', SyncRequestSchema, SyncResponseSchema, {
      incarnation: 'boot',
      version: this.version,
    });
    if (!answer.ok) {
      this.answers.push(answer.error.code);
      return;
    }
    const { case: kind, value } = answer.value.answer;
    this.answers.push(kind ?? 'nothing');
    if (kind === 'deltas') {
      for (const delta of value.deltas) if (this.#apply(delta) === 'unfit') await this.#fetch();
    } else if (kind === 'fetch') await this.#fetch();
    if (kind !== 'current' || this.#isUnreported) await this.#reportIfAsked();
  }

  async #fetch(): Promise<void> {
    this.reboot();
    let pageToken = '';
    do {
      const answer = await this.#request('fetch', FetchRequestSchema, FetchResponseSchema, { pageToken });
      if (!answer.ok) {
        // Lost, or of a document that is kept no more: it has nothing, and will ask again.
        this.answers.push(answer.error.code);
        this.reboot();
        return;
      }
      const page = answer.value;
      this.fetchedPages++;
      for (const { key, object } of page.objects) this.entries.set(key, object);
      if (page.version) this.version = page.version;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    if (!this.isConsistent) throw new Error(`what ${this.dpu} has fetched is not what its digest says`);
  }

  #apply({ base, version, upserts, deletes }: Delta): 'applied' | 'stale' | 'unfit' {
    if (version?.epoch !== this.version.epoch) return 'unfit';
    if (version.sequence <= this.version.sequence) return 'stale';
    if (base !== this.version.sequence) return 'unfit';
    const entries = new Map(this.entries);
    for (const key of deletes) entries.delete(key);
    for (const { key, object } of upserts) entries.set(key, object);
    const digest = DocumentDigest.of([...entries].map(([key, object]) => ({ key, object })));
    if (!digest.equals(version.digest)) return 'unfit';
    this.entries.clear();
    for (const [key, object] of entries) this.entries.set(key, object);
    this.version = version;
    return 'applied';
  }

  async #reportIfAsked(): Promise<void> {
    this.#isUnreported = true;
    if (this.isReporting && !this.isCutOff) await this.#report();
  }

  async #report(): Promise<void> {
    const problems = [...this.problems].map(([key, problem]) => ({
      key,
      state: ObjectProblem_State.FAILED,
      ...(typeof problem === 'string' ? { message: problem } : problem),
    }));
    const report = { incarnation: 'boot', version: this.version, problems, problemTotal: problems.length };
    const body = encodeBinary(ObservedReportSchema, create(ObservedReportSchema, report));
    this.#isUnreported = !(await this.#send('observed', body)).ok;
  }

  async #request<Request extends DescMessage, Response extends DescMessage>(
    channel: 'sync' | 'fetch',
    request: Request,
    response: Response,
    init: Parameters<typeof create<Request>>[1],
  ): Promise<Result<MessageShape<Response>, AppError>> {
    const reply = await this.#send(channel, encodeBinary(request, create(request, init)));
    return reply.ok ? decodeBinary(response, reply.value) : reply;
  }

  async #send(
    channel: 'sync' | 'fetch' | 'observed',
    body: Uint8Array,
  ): Promise<Result<Uint8Array, AppError>> {
    const subject = subjects.dpu(this.dpu, channel, this.owner);
    const reply = await this.bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 1_000 });
    return reply.ok ? ok(reply.value.body) : reply;
  }
}
