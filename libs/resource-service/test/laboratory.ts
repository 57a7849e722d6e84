import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Delivery,
  InProcessBroker,
  type Received,
  type Settlement,
  STREAMS,
  type Watched,
} from '@outboard/bus';
import { HEADERS, subjects, type Verb } from '@outboard/contracts';
import { AppError, err, ok, type Result, systemRandom, unwrap } from '@outboard/core';
import type { Network } from '@outboard/model';
import { OutboxRelay, openMemoryStore, openSqliteStore, type Row, type Store } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';
import { ResourceService } from '../src/index.js';
import { RefusingStore, settled, until } from '../src/testing/index.js';
import { DirectoryDomain } from './directory-domain.js';

/** What makes a store that can be closed and opened again. */
export interface StoreFactory {
  readonly name: string;
  open(): Promise<{ store: Store; reopen(store: Store): Promise<Store>; remove(): Promise<void> }>;
}

export const memoryStores: StoreFactory = {
  name: 'memory',
  open: async () => ({
    store: openMemoryStore(),
    // What it holds is the process's: a restart of the service in it finds it again.
    reopen: async (store) => store,
    remove: async () => {},
  }),
};

export const sqliteStores: StoreFactory = {
  name: 'SQLite',
  open: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'outboard-resource-service-'));
    const options = { path: join(directory, 'store.sqlite'), durability: 'NORMAL' } as const;
    return {
      store: await openSqliteStore(options),
      reopen: async (store) => {
        await store[Symbol.asyncDispose]();
        return openSqliteStore(options);
      },
      remove: async () => rmSync(directory, { recursive: true }),
    };
  },
};

/** An event or a state as a client of the bus sees it. */
export interface Published extends Received {
  readonly json: {
    kind?: string;
    status?: string | { conditions?: readonly { type: string; status: string }[] };
    metadata?: Record<string, unknown>;
    spec?: unknown;
    details?: readonly { reason?: string }[];
    message?: string;
  };
}

export interface IntentOptions {
  readonly tenant?: string;
  readonly kind?: string;
  readonly operation?: string;
  /** Null: none. */
  readonly messageId?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of a manifest. */
  readonly body?: string | Uint8Array;
  readonly mtu?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly sequence?: number;
  readonly deliveries?: number;
  readonly storedAt?: number;
  readonly streamMadeAt?: number;
}

/** What a manifest says. */
export interface ManifestOptions extends Pick<IntentOptions, 'tenant' | 'mtu' | 'labels'> {
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export const manifest = (
  name: string,
  { tenant = 'acme', mtu, labels, metadata }: ManifestOptions = {},
): string =>
  JSON.stringify({
    apiVersion: 'network.outboard.dev/v1alpha1',
    kind: 'Network',
    metadata: { tenant, name, ...(labels && { labels }), ...metadata },
    spec: { ...(mtu !== undefined && { mtu }) },
  });

/** A resource service over a small domain, with a bus and a store, whose deliveries a test makes by itself. */
export class Laboratory {
  readonly clock = new ManualClock();
  readonly broker = new InProcessBroker({ clock: this.clock });
  readonly bus = this.broker.connect();
  readonly events: Published[] = [];
  readonly states: Published[] = [];
  readonly #arrived = new Set<string | undefined>();
  isBrokerAway = false;
  /** Of the next restart. */
  diskFullFromStart = false;
  domain = new DirectoryDomain();
  #relay!: OutboxRelay;
  service!: ResourceService;
  #sequence = 0;
  #ids = 0;

  private constructor(
    public store: RefusingStore,
    private readonly opened: Awaited<ReturnType<StoreFactory['open']>>,
  ) {}

  static async open(stores: StoreFactory = memoryStores): Promise<Laboratory> {
    const opened = await stores.open();
    const laboratory = new Laboratory(new RefusingStore(opened.store), opened);
    unwrap(await laboratory.broker.provision(STREAMS, 'apply'));
    await laboratory.#record('event', laboratory.events);
    await laboratory.#record('state', laboratory.states);
    await laboratory.#start();
    return laboratory;
  }

  async close(): Promise<void> {
    await this.#stop();
    await this.bus[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
    await this.opened.remove();
  }

  /** The process ends and starts again: nothing is left but the store. */
  async restart(): Promise<void> {
    await this.#stop();
    this.store = new RefusingStore(await this.opened.reopen(this.store.inner));
    this.store.isDiskFull = this.diskFullFromStart;
    await this.#start();
  }

  /** A message on the stream of intents as it would be delivered; sequences and ids count up unless given. */
  delivery(name: string, options: IntentOptions = {}): Delivery {
    const { tenant = 'acme', kind = 'network', operation = 'apply', deliveries = 1 } = options;
    const { messageId = `id-${++this.#ids}`, body, headers } = options;
    const streamSequence = options.sequence ?? ++this.#sequence;
    const isDelete = operation === 'delete';
    return {
      subject: `outboard.v1alpha1.intent.${tenant}.network.${kind}.${name}`,
      headers: {
        ...(operation !== 'apply' && { [HEADERS.operation]: operation }),
        ...(messageId !== null && { [HEADERS.messageId]: messageId }),
        ...headers,
      },
      body: Buffer.from(body ?? (isDelete ? '' : manifest(name, options))),
      deliveries,
      streamSequence,
      storedAt: options.storedAt ?? this.clock.now() + streamSequence,
      streamMadeAt: options.streamMadeAt ?? 1,
    };
  }

  intent(name: string, options: IntentOptions = {}): Promise<Settlement> {
    return this.service.handleIntent(this.delivery(name, options));
  }

  /** The answer to a request as JSON, or the refusal. */
  async request<Answer = ReturnType<typeof JSON.parse>>(
    verb: Verb,
    body: unknown,
    { tenant = 'acme', kind = 'network', headers = {} }: IntentOptions = {},
  ): Promise<Result<Answer, AppError>> {
    const subject = subjects.rpc(tenant, 'network', kind, verb);
    const bytes =
      body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const reply = await this.service.handleRequest({ subject, headers, body: bytes });
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
  }

  setReady(name: string, isReady: boolean, tenant = 'acme'): Promise<Result<void, AppError>> {
    return this.service.change('dpu/dpu-7', (context) =>
      ok(this.domain.setReady(tenant, name, isReady, context)),
    );
  }

  /** Every row of the store but those that only remember. */
  rows(): readonly Row[] {
    return this.store.read((snapshot) => snapshot.list('Network', { limit: 10_000 }).rows);
  }

  stored(): readonly Network[] {
    return this.rows().map(({ value }) => (JSON.parse(value) as { record: Network }).record);
  }

  /** Everything that was committed is published, and has arrived. */
  async published(): Promise<void> {
    const last = this.store.read((snapshot) => snapshot.pendingMessages(10_000).at(-1)?.messageId);
    await until(() => last === undefined || this.#arrived.has(last));
  }

  /** Last tokens of the events of a resource, oldest first: what happened to it. */
  transitions(name: string): readonly string[] {
    return this.events
      .filter(({ subject }) => subject.split('.')[6] === name)
      .map(({ subject }) => subject.split('.')[7] ?? '');
  }

  /** A header of every event, oldest first. */
  headers(name: string): readonly (string | undefined)[] {
    return this.events.map(({ headers }) => headers[name]);
  }

  event(name: string, transition: string): Published {
    const found = this.events.findLast(({ subject }) => subject.endsWith(`.${name}.${transition}`));
    if (!found) throw new Error(`no ${transition} of ${name}: ${this.transitions(name)}`);
    return found;
  }

  /** The stream's answer to a client that starts now: the last state of each resource. */
  async stateStream(): Promise<readonly Published[]> {
    const states: Published[] = [];
    const watching = await this.#record('state', states, 'last-per-subject');
    await settled();
    await watching[Symbol.asyncDispose]();
    return states;
  }

  /** What the stream of states holds, with its place in it. */
  async stateMessages(): Promise<readonly Watched[]> {
    const found: Watched[] = [];
    const spec = { stream: 'OUTBOARD_STATE', filterSubject: 'outboard.v1alpha1.state.>' } as const;
    const watching = await this.bus.watch(
      { ...spec, from: 'last-per-subject' },
      { message: (watched) => void found.push(watched) },
    );
    await settled();
    await watching[Symbol.asyncDispose]();
    return found;
  }

  async #record(channel: 'event' | 'state', into: Published[], from: 'last-per-subject' | 0 = 0) {
    const stream = channel === 'event' ? 'OUTBOARD_EVENT' : 'OUTBOARD_STATE';
    return this.bus.watch(
      { stream, filterSubject: `outboard.v1alpha1.${channel}.>`, from },
      {
        message: ({ subject, headers, body }) => {
          this.#arrived.add(headers[HEADERS.messageId]);
          into.push({ subject, headers, body, json: JSON.parse(Buffer.from(body).toString()) });
        },
      },
    );
  }

  async #start(): Promise<void> {
    const { store, clock } = this;
    this.domain = new DirectoryDomain();
    this.#relay = new OutboxRelay({
      store,
      clock,
      publish: async ({ subject, headers, body, messageId }) =>
        this.isBrokerAway
          ? err(new AppError('UNAVAILABLE', 'the broker is away'))
          : this.bus.publish(subject, { headers, body }, { messageId }),
    });
    this.service = new ResourceService({
      name: 'directory',
      store,
      domain: this.domain,
      relay: this.#relay,
      clock,
      random: systemRandom,
    });
    await this.service.start();
  }

  async #stop(): Promise<void> {
    await this.service[Symbol.asyncDispose]();
    await this.#relay[Symbol.asyncDispose]();
  }
}

/** The reasons of a refusal as it was published. */
export const reasonOf = ({ json }: Published): string | undefined =>
  json.details?.find((detail) => detail.reason !== undefined)?.reason;
