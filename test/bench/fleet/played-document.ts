import { create } from '@bufbuild/protobuf';
import type { Bus } from '@outboard/bus';
import {
  type Delta,
  DeltaSchema,
  DocumentDigest,
  type DocumentVersion,
  decodeBinary,
  encodeBinary,
  ObservedReportSchema,
  SyncRequestSchema,
  SyncResponseSchema,
  subjects,
} from '@outboard/contracts';
import { systemClock, systemRandom, unwrap } from '@outboard/core';

/** As workers do. */
const SYNC_MILLISECONDS = 10_000;
const SYNC_JITTER = 0.2;
const RETRY_MILLISECONDS = 500;
const DEADLINE_MILLISECONDS = 10_000;

type Version = Pick<DocumentVersion, 'epoch' | 'sequence' | 'digest'>;

const NOTHING: Version = { epoch: '', sequence: 0n, digest: new DocumentDigest().toBytes() };

/** What documents were told, and how. */
export interface PlayedCounts {
  deltas: number;
  /** Objects of the deltas that came, and went. */
  upserts: number;
  deletes: number;
  /** Documents that were to be fetched whole, and of which only the version was taken. */
  adopted: number;
}

/**
 * One owner's document on a DPU that is played: it follows versions as a worker does, decodes every delta, and reports
 * each version as applied and read back, but it keeps no object. Where a worker fetches the whole document, it takes
 * only the version that it was told.
 */
export class PlayedDocument {
  #version = NOTHING;
  #told = NOTHING;
  #synchronising = false;
  #reporting = false;
  #next: Disposable | undefined;
  #closed = false;

  constructor(
    private readonly bus: Bus,
    private readonly dpu: string,
    private readonly incarnation: string,
    private readonly owner: string,
    private readonly counts: PlayedCounts,
  ) {}

  async start(): Promise<void> {
    const subject = subjects.dpu(this.dpu, 'delta', this.owner);
    await this.bus.subscribe(subject, ({ body }) => this.#delta(unwrap(decodeBinary(DeltaSchema, body))));
    void this.synchronise();
  }

  /** Asks what it lacks, unless it is asking. */
  async synchronise(): Promise<void> {
    if (this.#synchronising || this.#closed) return;
    this.#synchronising = true;
    this.#next?.[Symbol.dispose]();
    const agreed = await this.#ask();
    this.#synchronising = false;
    if (this.#closed) return;
    const stretch = 1 + SYNC_JITTER * (2 * systemRandom.fraction() - 1);
    const wait = (agreed ? SYNC_MILLISECONDS : RETRY_MILLISECONDS) * stretch;
    this.#next = systemClock.schedule(wait, () => void this.synchronise());
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#next?.[Symbol.dispose]();
  }

  /** Whether it now has what the owner said to be the newest. */
  async #ask(): Promise<boolean> {
    const { incarnation } = this;
    const request = create(SyncRequestSchema, { incarnation, version: this.#version });
    const reply = await this.#request('sync', encodeBinary(SyncRequestSchema, request));
    if (reply === undefined) return false;
    const { case: kind, value } = unwrap(decodeBinary(SyncResponseSchema, reply)).answer;
    if (kind === 'current') return true;
    if (kind === 'deltas') return value.deltas.every((delta) => this.#apply(delta));
    if (kind !== 'fetch' || value.version === undefined) return false;
    // Deltas that came while the question was on its way may have led further.
    const isOlder =
      value.version.epoch === this.#version.epoch && value.version.sequence <= this.#version.sequence;
    if (!isOlder) {
      this.counts.adopted++;
      this.#take(value.version);
    }
    return true;
  }

  #delta(delta: Delta): void {
    if (!this.#apply(delta)) void this.synchronise();
  }

  /** False: it does not lead on from what is here, or only announces what is to be fetched. */
  #apply({ base, version, upserts, deletes }: Delta): boolean {
    if (version === undefined || version.epoch !== this.#version.epoch) return false;
    if (version.sequence <= this.#version.sequence) return true;
    if (base !== this.#version.sequence) return false;
    const isAnnounced =
      upserts.length + deletes.length === 0 && Buffer.compare(version.digest, this.#version.digest) !== 0;
    if (isAnnounced) return false;
    this.counts.deltas++;
    this.counts.upserts += upserts.length;
    this.counts.deletes += deletes.length;
    this.#take(version);
    return true;
  }

  #take({ epoch, sequence, digest }: DocumentVersion): void {
    // Copied: what was decoded shares the memory of everything that was read from the socket with it.
    this.#version = { epoch, sequence, digest: Uint8Array.from(digest) };
    void this.#report();
  }

  /** The newest version, one report at a time, until it is acknowledged: as workers do. */
  async #report(): Promise<void> {
    if (this.#reporting) return;
    this.#reporting = true;
    while (!this.#closed && this.#told !== this.#version) {
      const version = this.#version;
      const { incarnation } = this;
      const report = create(ObservedReportSchema, { incarnation, version, problemTotal: 0 });
      const reply = await this.#request('observed', encodeBinary(ObservedReportSchema, report));
      if (reply !== undefined) this.#told = version;
      else await systemClock.delay(RETRY_MILLISECONDS);
    }
    this.#reporting = false;
  }

  #request(channel: 'sync' | 'observed', body: Uint8Array): Promise<Uint8Array | undefined> {
    return requestBytes(this.bus, subjects.dpu(this.dpu, channel, this.owner), body);
  }
}

/** What a service answers; undefined: nothing in time, or a refusal. */
export async function requestBytes(
  bus: Bus,
  subject: string,
  body: Uint8Array,
): Promise<Uint8Array | undefined> {
  const options = { deadlineMilliseconds: DEADLINE_MILLISECONDS };
  const reply = await bus.request(subject, { headers: {}, body }, options);
  return reply.ok ? reply.value.body : undefined;
}
