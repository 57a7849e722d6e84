import type { Bus, Subscription } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { type AppError, type Clock, invariant, type Random, type Result } from '@outboard/core';
import type { DataplaneEngine, DocumentVersion } from '@outboard/dataplane';
import type { Log } from '@outboard/service-shell/process';
import { DocumentReplica } from '../domain/document-replica.js';
import type { DocumentState, Refusal, ReplicaAction, ReplicaEvent } from '../domain/replica-protocol.js';
import type { DocumentStore } from './document-store.js';
import {
  decodeDelta,
  decodeFetchResponse,
  decodeSyncResponse,
  encodeFetchRequest,
  encodeSyncRequest,
} from './wire.js';

const SYNC_DEADLINE_MILLISECONDS = 2_000;
/** The owner compiles the document for the first page. */
const FETCH_DEADLINE_MILLISECONDS = 10_000;

export interface DocumentFollowerPorts {
  readonly dpu: string;
  readonly incarnation: string;
  readonly engine: Pick<DataplaneEngine, 'submit'>;
  readonly store: DocumentStore;
  /** The owner has answered, or refused to. */
  readonly answered?: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Carries out what the replica of one owner's document decides: asks the owner, tells the engine, keeps it on disk. */
export class DocumentFollower implements AsyncDisposable {
  readonly #replica: DocumentReplica;
  #answered: () => void = () => {};
  /** Resolves when the owner answered for the first time, or failed to. */
  readonly firstAnswer = new Promise<void>((resolve) => {
    this.#answered = resolve;
  });
  #bus: Bus | undefined;
  #wait: Disposable | undefined;
  #listening: Disposable | undefined;
  #subscription: Subscription | undefined;
  #closed = false;
  /** What was told last of an owner that does not answer; undefined: it answers. */
  #trouble: string | undefined;

  constructor(
    readonly owner: string,
    restored: DocumentState | undefined,
    private readonly ports: DocumentFollowerPorts,
  ) {
    this.#replica = new DocumentReplica(owner, restored);
  }

  /** As `DocumentReplica.start`. */
  start(dataplane: 'kept' | 'empty'): void {
    this.#carryOut(this.#replica.start(dataplane));
  }

  /** Follows the owner over this bus, from every time that it is connected. */
  async follow(bus: Bus): Promise<Subscription> {
    this.#bus = bus;
    const subject = subjects.dpu(this.ports.dpu, 'delta', this.owner);
    const subscription = await bus.subscribe(subject, ({ body }) => {
      const delta = decodeDelta(body);
      if (delta.ok) this.#handle({ kind: 'delta', delta: delta.value });
      else
        this.ports.log.warn(
          { owner: this.owner, err: delta.error },
          'a delta that cannot be read is dropped',
        );
    });
    this.#listening = bus.onState((state) => {
      if (state === 'connected') this.#handle({ kind: 'connected' });
    });
    this.#subscription = subscription;
    return subscription;
  }

  /** Asks the owner now: an answer that it gave before is another one by now. */
  synchronise(): void {
    if (this.#bus !== undefined) this.#handle({ kind: 'connected' });
  }

  /** As `DocumentReplica.confirmed`. */
  get confirmed(): DocumentVersion | undefined {
    return this.#replica.confirmed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#wait?.[Symbol.dispose]();
    this.#listening?.[Symbol.dispose]();
    await this.#subscription?.[Symbol.asyncDispose]();
  }

  #handle(event: ReplicaEvent): void {
    if (this.#closed) return;
    this.#carryOut(this.#replica.handle(event));
    if (event.kind === 'synchronised' || event.kind === 'page' || event.kind === 'refused')
      this.ports.answered?.();
  }

  #carryOut(actions: readonly ReplicaAction[]): void {
    const { engine, store, clock, random, log } = this.ports;
    for (const action of actions) {
      switch (action.kind) {
        case 'submit':
          engine.submit(action.update);
          break;
        case 'persist':
          store.save(this.owner, () => this.#replica.state, action.change);
          break;
        case 'synchronise':
          void this.#synchronise(action.request, action.version);
          break;
        case 'fetch':
          void this.#fetch(action.request, action.pageToken);
          break;
        case 'wait': {
          this.#wait?.[Symbol.dispose]();
          const stretch = 1 + action.jitter * (2 * random.fraction() - 1);
          this.#wait = clock.schedule(action.milliseconds * stretch, () => this.#handle({ kind: 'elapsed' }));
          break;
        }
        case 'warn':
          log.warn({ owner: this.owner }, action.message);
      }
    }
  }

  async #synchronise(request: number, version: DocumentVersion): Promise<void> {
    const body = encodeSyncRequest(this.ports.incarnation, version);
    const answer = await this.#ask('sync', body, SYNC_DEADLINE_MILLISECONDS, decodeSyncResponse);
    if (answer.ok) this.#handle({ kind: 'synchronised', request, answer: answer.value });
    else this.#handle({ kind: 'refused', request, refusal: refusalOf(answer.error) });
    this.#answered();
  }

  async #fetch(request: number, pageToken: string): Promise<void> {
    const body = encodeFetchRequest(pageToken);
    const page = await this.#ask('fetch', body, FETCH_DEADLINE_MILLISECONDS, decodeFetchResponse);
    if (page.ok) this.#handle({ kind: 'page', request, page: page.value });
    else this.#handle({ kind: 'refused', request, refusal: refusalOf(page.error) });
  }

  async #ask<Answer>(
    channel: 'sync' | 'fetch',
    body: Uint8Array,
    deadlineMilliseconds: number,
    decode: (body: Uint8Array) => Result<Answer, AppError>,
  ): Promise<Result<Answer, AppError>> {
    invariant(this.#bus !== undefined, 'nothing is asked before there is a bus');
    const subject = subjects.dpu(this.ports.dpu, channel, this.owner);
    const reply = await this.#bus.request(subject, { headers: {}, body }, { deadlineMilliseconds });
    const answer = reply.ok ? decode(reply.value.body) : reply;
    if (!this.#closed) this.#note(channel, answer.ok ? undefined : answer.error);
    return answer;
  }

  /** Told when it changes, not with every attempt: an owner may be away for long. */
  #note(channel: string, failure: AppError | undefined): void {
    const { owner } = this;
    if (failure?.message === this.#trouble) return;
    this.#trouble = failure?.message;
    const { log } = this.ports;
    if (failure === undefined) log.info({ owner }, 'the owner answers again');
    // No DPU is known at first; where there was a document, the replica warns that it is emptied.
    else if (failure.code === 'NOT_FOUND')
      log.info({ owner, channel }, `the owner does not know this DPU: ${failure.message}`);
    else log.warn({ owner, channel, code: failure.code }, `the owner does not answer: ${failure.message}`);
  }
}

/** An answer that cannot be read counts as none. */
function refusalOf({ code }: AppError): Refusal {
  if (code === 'NOT_FOUND') return 'unknown';
  return code === 'ABORTED' ? 'aborted' : 'failed';
}
