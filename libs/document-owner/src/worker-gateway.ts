import type { Message, Received } from '@outboard/bus';
import {
  type DocumentVersion,
  decodeBinary,
  FetchRequestSchema,
  FetchResponseSchema,
  MAX_PAGE_BYTES,
  ObjectProblem_State,
  type ObservedReport,
  ObservedReportSchema,
  ObservedResponseSchema,
  SyncRequestSchema,
  SyncResponseSchema,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { Name, ProblemState } from '@outboard/model';
import {
  binaryReply,
  type DomainChange,
  type DomainContext,
  dpuOf,
  type ResourceService,
  type Transaction,
} from '@outboard/resource-service';
import { DeltaEncoder, encodeDeltasAnswer } from './delta-encoder.js';
import { type DocumentPage, DocumentPages } from './document-pages.js';
import type {
  CompiledDocument,
  DocumentChange,
  DocumentHead,
  DocumentReport,
  ReportedOffload,
} from './documents/index.js';
import { RecentDeltas } from './recent-deltas.js';

/** Changes of each DPU's document that are kept for workers that missed some. */
const RECENT_DELTAS = 32;
/**
 * Bytes of the deltas that one group of changes sends together. What is beyond is only announced, and got by who needs
 * it: a group is bounded, but what it means for a thousand DPUs that share a network is a thousand times as much.
 */
const DELTA_BYTES_AT_ONCE = 4 * 1024 * 1024;
/** Documents that are kept while they are fetched: of all DPUs at once, as after a restart of this service. */
const FETCHED_DOCUMENTS = 4096;
/** Entries of each list of one report that are looked at, as the protocol bounds them, and characters of what each says. */
const MAX_LISTED = 1000;
const MAX_PROBLEM_MESSAGE = 512;

const PROBLEM_STATES: Readonly<Record<ObjectProblem_State, ProblemState | undefined>> = {
  [ObjectProblem_State.UNSPECIFIED]: undefined,
  [ObjectProblem_State.PENDING]: 'PENDING',
  [ObjectProblem_State.FAILED]: 'FAILED',
  [ObjectProblem_State.FOREIGN]: 'FOREIGN',
  [ObjectProblem_State.UNSUPPORTED]: 'UNSUPPORTED',
};

function offloadOf({ offload }: ObservedReport): ReportedOffload | undefined {
  if (!offload) return undefined;
  const listed = offload.inSoftware.slice(0, MAX_LISTED);
  const inSoftware = new Map(listed.map(({ key, reason }) => [key, reason.slice(0, MAX_PROBLEM_MESSAGE)]));
  return { inSoftware, inSoftwareTotal: offload.inSoftwareTotal };
}

/** What a service decides on that has documents: they follow from its projection. */
export interface DocumentDomain {
  knowsDpu(dpu: Name): boolean;
  /** What has changed in every DPU's document since the last call. */
  takeDocumentChanges(revision: number): readonly DocumentChange[];
  documentHead(dpu: Name): DocumentHead;
  /** Changes must have been taken before. */
  compileDocument(dpu: Name): CompiledDocument;
  /** Takes over what a worker has applied and read back. */
  observe(report: DocumentReport, context: DomainContext): readonly DomainChange[];
}

export interface WorkerGatewayOptions {
  /** Whose documents these are: the last token of the subjects. */
  readonly owner: string;
  readonly service: ResourceService;
  readonly domain: DocumentDomain;
  /** Of the store. */
  readonly epoch: string;
}

/** The side of a service that workers talk to: what they should have, and what they have made of it. */
export class WorkerGateway {
  readonly #owner: string;
  readonly #service: ResourceService;
  readonly #domain: DocumentDomain;
  readonly #epoch: string;
  readonly #pages = new DocumentPages(MAX_PAGE_BYTES, FETCHED_DOCUMENTS);
  readonly #recent = new RecentDeltas(RECENT_DELTAS);
  readonly #encoder = new DeltaEncoder();

  constructor({ owner, service, domain, epoch }: WorkerGatewayOptions) {
    this.#owner = owner;
    this.#service = service;
    this.#domain = domain;
    this.#epoch = epoch;
  }

  /** Sends what a group of changes means for each document: one delta a DPU. */
  publishDeltas(transaction: Transaction, { revision }: DomainContext): void {
    let sent = 0;
    for (const change of this.#domain.takeDocumentChanges(revision)) {
      this.#recent.add(change);
      const isTooMuch = sent + sizeOf([change]) > DELTA_BYTES_AT_ONCE;
      const delta = isTooMuch ? undefined : this.#encoded(change);
      const isSent = delta !== undefined && delta.length <= MAX_PAGE_BYTES;
      if (isSent) sent += delta.length;
      transaction.send({
        messageId: `${this.#owner}.${this.#epoch}.${change.dpu}.${change.sequence}`,
        subject: subjects.dpu(change.dpu, 'delta', this.#owner),
        headers: {},
        // One that is too large is only announced: the worker asks what it lacks.
        body: isSent ? delta : this.#encoded({ ...change, upserts: [], deletes: [] }),
      });
    }
  }

  /** After a commit has failed, what was kept speaks of changes that never were. */
  forget(): void {
    this.#recent.clear();
  }

  /** A worker tells what it has; it is told what it lacks. */
  async sync(received: Received): Promise<Result<Message, AppError>> {
    const request = decodeBinary(SyncRequestSchema, received.body);
    if (!request.ok) return request;
    const { version } = request.value;
    return this.#forDpu(received, (dpu) => {
      const head = this.#domain.documentHead(dpu);
      const missed = version?.epoch === this.#epoch ? this.#missedSince(dpu, version, head) : undefined;
      if (missed?.length === 0) {
        return binaryReply(SyncResponseSchema, { answer: { case: 'current', value: {} } });
      }
      if (missed && sizeOf(missed) <= MAX_PAGE_BYTES) {
        const body = encodeDeltasAnswer(missed.map((change) => this.#encoded(change)));
        if (body.length <= MAX_PAGE_BYTES) return ok({ headers: {}, body });
      }
      return binaryReply(SyncResponseSchema, {
        answer: { case: 'fetch', value: { version: this.#versionOf(head) } },
      });
    });
  }

  /** A page of the whole document. */
  async fetch(received: Received): Promise<Result<Message, AppError>> {
    const request = decodeBinary(FetchRequestSchema, received.body);
    if (!request.ok) return request;
    const { pageToken } = request.value;
    return this.#forDpu(received, (dpu) => {
      const page =
        pageToken === ''
          ? this.#pages.first(dpu, this.#domain.compileDocument(dpu))
          : this.#pages.next(dpu, pageToken);
      if (page) return binaryReply(FetchResponseSchema, this.#pageOf(page));
      return err(
        new AppError('ABORTED', 'this page is no longer kept: fetch the document from its first page'),
      );
    });
  }

  /** What a worker has applied and read back. */
  async observed(received: Received): Promise<Result<Message, AppError>> {
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    const report = decodeBinary(ObservedReportSchema, received.body);
    if (!report.ok) return report;
    const { version, problems, problemTotal } = report.value;
    const written = await this.#service.change(`dpu/${dpu.value}`, (context) => {
      const sequence = Number(version?.sequence);
      // What was applied of another epoch, or is not known here, says nothing: the next sync brings the worker here.
      if (version?.epoch !== this.#epoch || !(sequence <= this.#domain.documentHead(dpu.value).sequence)) {
        return ok([]);
      }
      const known = problems.slice(0, MAX_LISTED).flatMap(({ key, state, message, underWay, rolledBack }) => {
        const problemState = PROBLEM_STATES[state];
        if (!problemState) return [];
        return {
          key,
          state: problemState,
          message: message.slice(0, MAX_PROBLEM_MESSAGE),
          ...(underWay && { isUnderWay: true as const }),
          ...(rolledBack && { isRolledBack: true as const }),
        };
      });
      const told = {
        dpu: dpu.value,
        sequence,
        problems: known,
        problemTotal,
        offload: offloadOf(report.value),
      };
      return ok(this.#domain.observe(told, context));
    });
    return written.ok ? binaryReply(ObservedResponseSchema, {}) : written;
  }

  async #forDpu(
    received: Received,
    answer: (dpu: Name) => Result<Message, AppError>,
  ): Promise<Result<Message, AppError>> {
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    return this.#service.query(() => {
      if (this.#domain.knowsDpu(dpu.value)) return answer(dpu.value);
      return err(new AppError('NOT_FOUND', `no Dpu ${dpu.value}`, { reason: 'UNKNOWN_DPU' }));
    });
  }

  /** The deltas that lead from what the worker has to the head; undefined: they are not all known. */
  #missedSince(dpu: Name, has: DocumentVersion, head: DocumentHead): readonly DocumentChange[] | undefined {
    const sequence = Number(has.sequence);
    if (Buffer.compare(has.digest, head.digest) !== 0) return this.#recent.since(dpu, sequence);
    if (sequence === head.sequence) return [];
    if (sequence > head.sequence) return undefined;
    // The same content under a new number, as after a start of this service.
    return [{ ...head, dpu, base: sequence, upserts: [], deletes: [] }];
  }

  /** A `Delta` as it travels. */
  #encoded(change: DocumentChange): Uint8Array {
    const { base, upserts, deletes } = change;
    const head = { base: BigInt(base), version: this.#versionOf(change), deletes: [...deletes] };
    return this.#encoder.encode(head, upserts);
  }

  #pageOf({ document, objects, nextPageToken }: DocumentPage) {
    return { version: this.#versionOf(document), objects: [...objects], nextPageToken: nextPageToken ?? '' };
  }

  #versionOf({ sequence, digest }: DocumentHead) {
    return { epoch: this.#epoch, sequence: BigInt(sequence), digest };
  }
}

/** Bytes of what changes are about, but for the framing: what is too large is not encoded to find that out. */
function sizeOf(changes: readonly Pick<DocumentChange, 'upserts' | 'deletes'>[]): number {
  let bytes = 0;
  for (const { upserts, deletes } of changes) {
    for (const { key, object } of upserts) bytes += key.length + object.length;
    for (const key of deletes) bytes += key.length;
  }
  return bytes;
}
