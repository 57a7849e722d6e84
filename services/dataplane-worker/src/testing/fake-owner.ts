import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { Bus, Endpoint, Message, Subscription } from '@outboard/bus';
import {
  DeltaSchema,
  DocumentDigest,
  type DocumentVersion,
  DocumentVersionSchema,
  decodeBinary,
  encodeBinary,
  FetchRequestSchema,
  FetchResponseSchema,
  type HeartbeatRequest,
  HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  type InventoryReport,
  InventoryReportSchema,
  type ObservedReport,
  ObservedReportSchema,
  ObservedResponseSchema,
  SyncRequestSchema,
  SyncResponseSchema,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, type Result, unwrap } from '@outboard/core';

const PAGE_OBJECTS = 3;

type EndpointName =
  | 'sync'
  | 'fetch'
  | 'observed'
  | 'heartbeat'
  | 'inventory'
  | 'admin-sync'
  | 'admin-fetch'
  | 'admin-observed';

/** The owner `network` and admin of one DPU, as a worker sees them: a document, and everything that was reported. */
export class FakeOwner {
  readonly syncs: string[] = [];
  readonly reports: ObservedReport[] = [];
  readonly inventories: InventoryReport[] = [];
  readonly heartbeats: HeartbeatRequest[] = [];
  /** Refusals by channel; an absent one answers. */
  readonly refusals = new Map<EndpointName, AppError>();
  leaseMilliseconds = 9_000;
  inventoryWanted = false;
  rebootRequest = '';
  admitted = true;
  epoch = 'one';
  #sequence = 0n;
  readonly #entries = new Map<string, Uint8Array>();
  #waiting: { fits(report: ObservedReport): boolean; resolve(report: ObservedReport): void }[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly dpu: string,
  ) {}

  get version(): DocumentVersion {
    const digest = DocumentDigest.of([...this.#entries].map(([key, object]) => ({ key, object }))).toBytes();
    return create(DocumentVersionSchema, { epoch: this.epoch, sequence: this.#sequence, digest });
  }

  get entries(): ReadonlyMap<string, Uint8Array> {
    return this.#entries;
  }

  /** Changes the document; tells it unless `silently`. */
  change(
    upserts: Readonly<Record<string, number | Uint8Array>>,
    deletes: readonly string[] = [],
    silently = false,
  ): void {
    const base = this.#sequence++;
    const changed = Object.entries(upserts).map(([key, object]) => ({
      key,
      object: typeof object === 'number' ? Uint8Array.of(object) : object,
    }));
    for (const { key, object } of changed) this.#entries.set(key, object);
    for (const key of deletes) this.#entries.delete(key);
    if (silently) return;
    const delta = create(DeltaSchema, {
      base,
      version: this.version,
      upserts: changed,
      deletes: [...deletes],
    });
    const subject = subjects.dpu(this.dpu, 'delta', 'network');
    this.bus.broadcast(subject, { headers: {}, body: encodeBinary(DeltaSchema, delta) });
  }

  /** The database was created anew: it knows nothing of before. */
  startEpoch(epoch: string): void {
    this.epoch = epoch;
    this.#sequence = 0n;
    this.#entries.clear();
  }

  /** Resolves with the first report from now on that fits. */
  reported(fits: (report: ObservedReport) => boolean): Promise<ObservedReport> {
    return new Promise((resolve) => this.#waiting.push({ fits, resolve }));
  }

  serve(): Promise<Subscription> {
    const endpoint = (
      name: EndpointName,
      subject: string,
      answer: (body: Uint8Array) => Message,
    ): Endpoint => ({
      name,
      subject,
      handle: async ({ body }): Promise<Result<Message, AppError>> => {
        const reply = answer(body);
        const refusal = this.refusals.get(name);
        return refusal === undefined ? ok(reply) : err(refusal);
      },
    });
    const { dpu } = this;
    return this.bus.serve({
      name: 'fake-owner',
      version: '0.0.1',
      description: 'owner and admin of a test',
      maxInFlight: 1000,
      endpoints: [
        endpoint('sync', subjects.dpu(dpu, 'sync', 'network'), (body) => this.#sync(body)),
        endpoint('fetch', subjects.dpu(dpu, 'fetch', 'network'), (body) => this.#fetch(body)),
        endpoint('observed', subjects.dpu(dpu, 'observed', 'network'), (body) => {
          this.#reported(decode(ObservedReportSchema, body));
          return message(ObservedResponseSchema, create(ObservedResponseSchema));
        }),
        // Its other document is empty.
        endpoint('admin-sync', subjects.dpu(dpu, 'sync', 'admin'), () =>
          message(
            SyncResponseSchema,
            create(SyncResponseSchema, { answer: { case: 'fetch', value: { version: this.#empty } } }),
          ),
        ),
        endpoint('admin-fetch', subjects.dpu(dpu, 'fetch', 'admin'), () =>
          message(FetchResponseSchema, create(FetchResponseSchema, { version: this.#empty })),
        ),
        endpoint('admin-observed', subjects.dpu(dpu, 'observed', 'admin'), () =>
          message(ObservedResponseSchema, create(ObservedResponseSchema)),
        ),
        endpoint('inventory', subjects.dpu(dpu, 'inventory', 'admin'), (body) => {
          this.inventories.push(decode(InventoryReportSchema, body));
          return message(ObservedResponseSchema, create(ObservedResponseSchema));
        }),
        endpoint('heartbeat', subjects.dpu(dpu, 'heartbeat', 'admin'), (body) => {
          this.heartbeats.push(decode(HeartbeatRequestSchema, body));
          const { leaseMilliseconds, inventoryWanted, rebootRequest, admitted } = this;
          return message(
            HeartbeatResponseSchema,
            create(HeartbeatResponseSchema, { leaseMilliseconds, inventoryWanted, rebootRequest, admitted }),
          );
        }),
      ],
    });
  }

  get #empty() {
    return { epoch: this.epoch, sequence: 0n, digest: new DocumentDigest().toBytes() };
  }

  #reported(report: ObservedReport): void {
    this.reports.push(report);
    for (const waiting of this.#waiting) {
      if (!waiting.fits(report)) continue;
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      waiting.resolve(report);
    }
  }

  #sync(body: Uint8Array): Message {
    const { version } = decode(SyncRequestSchema, body);
    this.syncs.push(`${version?.epoch}/${version?.sequence}`);
    const isCurrent = version?.epoch === this.epoch && version.sequence === this.#sequence;
    return message(
      SyncResponseSchema,
      create(SyncResponseSchema, {
        answer: isCurrent
          ? { case: 'current', value: {} }
          : { case: 'fetch', value: { version: this.version } },
      }),
    );
  }

  #fetch(body: Uint8Array): Message {
    const offset = Number(decode(FetchRequestSchema, body).pageToken || '0');
    const objects = [...this.#entries].map(([key, object]) => ({ key, object }));
    const end = offset + PAGE_OBJECTS;
    return message(
      FetchResponseSchema,
      create(FetchResponseSchema, {
        version: this.version,
        objects: objects.slice(offset, end),
        nextPageToken: end < objects.length ? String(end) : '',
      }),
    );
  }
}

const decode = <Desc extends DescMessage>(schema: Desc, body: Uint8Array): MessageShape<Desc> =>
  unwrap(decodeBinary(schema, body));

const message = <Desc extends DescMessage>(schema: Desc, value: MessageShape<Desc>): Message => ({
  headers: {},
  body: encodeBinary(schema, value),
});
