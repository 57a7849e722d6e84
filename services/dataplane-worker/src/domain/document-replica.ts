import { DocumentDigest } from '@outboard/contracts';
import type { DocumentVersion } from '@outboard/dataplane';
import { amend, digestAfter, sizeOf } from './document-change.js';
import { FetchedDocument } from './fetched-document.js';
import {
  type Delta,
  type DocumentState,
  isSameVersion,
  type Page,
  type Refusal,
  type ReplicaAction,
  type ReplicaEvent,
  type SyncAnswer,
} from './replica-protocol.js';

export const SYNC_MILLISECONDS = 10_000;
export const SYNC_JITTER = 0.2;
const FIRST_RETRY_MILLISECONDS = 200;
const RETRY_JITTER = 0.5;
/** How long what is in the dataplane stays as it is because the owner, who may have said more since, is not heard. */
export const FIRST_WORD_MILLISECONDS = 2_000;
/** 200 ms x 2^6 is above the interval of syncs. */
const MAX_REPAIRS = 7;
/** How often one page is asked for again before the fetch starts from the first. */
const MAX_PAGE_RETRIES = 3;

/** Deltas that wait for a fetch or for an earlier one. What is dropped beyond is made good by a sync. */
export const MAX_PENDING_DELTAS = 1024;
const MAX_PENDING_BYTES = 8 * 1024 * 1024;

/** What is held when nothing was ever got, or when the owner does not know this DPU. No owner has this epoch. */
export const NOTHING: DocumentVersion = {
  epoch: '',
  sequence: 0n,
  digest: new DocumentDigest().toBytes(),
};

type Phase =
  /** Has what was on the disk, and waits for the owner's first word before it is wanted. */
  | { readonly kind: 'unheard' }
  /** Follows deltas until it is time to ask again. */
  | { readonly kind: 'following' }
  | { readonly kind: 'synchronising'; readonly request: number }
  | { readonly kind: 'fetching'; readonly request: number }
  /** Asks again after a backoff. */
  | { readonly kind: 'sync-delayed' }
  | { readonly kind: 'fetch-delayed' };

/**
 * The copy of one owner's document on one DPU, as a state machine: events in, actions out, no clock and no I/O.
 * Whatever happens to messages, what it submits is always a version that the owner had, and in the end the newest:
 * a delta is applied only onto the version it was made from and only if the digest then is the stated one; everything
 * else is repaired by a sync, and what a sync cannot repair by fetching the whole document.
 */
export class DocumentReplica {
  #version: DocumentVersion;
  #entries: Map<string, Uint8Array>;
  /** The engine knows what is held here, complete. */
  #submitted = false;
  #phase: Phase = { kind: 'following' };
  #fetched: FetchedDocument | undefined;
  #pending: Delta[] = [];
  #pendingBytes = 0;
  /** Something was dropped that may have been news: ask again soon. */
  #missed = false;
  /** Repairs in a row that did not end in agreement, for the backoff. */
  #repairs = 0;
  #lastRequest = 0;
  #confirmed: DocumentVersion | undefined;
  #actions: ReplicaAction[] = [];

  constructor(
    readonly owner: string,
    private readonly restored?: DocumentState,
  ) {
    this.#version = restored?.version ?? NOTHING;
    this.#entries = new Map(restored?.entries);
  }

  get state(): DocumentState {
    return { version: this.#version, entries: this.#entries };
  }

  /** The version that the owner has last said to be its own, since the bus was reached; undefined: it has not. */
  get confirmed(): DocumentVersion | undefined {
    return this.#confirmed;
  }

  /**
   * What to do before anything is heard. What came from the disk may be older than what is in the dataplane, by what was
   * not written yet or could not be: it is wanted once the owner was heard, or after two seconds without a word. In a
   * dataplane that is empty there is nothing to take away: it is wanted at once.
   */
  start(dataplane: 'kept' | 'empty'): readonly ReplicaAction[] {
    return this.#collect(() => {
      if (this.restored === undefined) return;
      if (dataplane === 'empty') this.#submitAll();
      else {
        this.#phase = { kind: 'unheard' };
        this.#wait(FIRST_WORD_MILLISECONDS, 0);
      }
    });
  }

  handle(event: ReplicaEvent): readonly ReplicaAction[] {
    return this.#collect(() => {
      switch (event.kind) {
        case 'connected':
          return this.#connected();
        case 'elapsed':
          return this.#elapsed();
        case 'delta':
          return this.#delta(event.delta);
        case 'synchronised':
          if (this.#awaits('synchronising', event.request)) this.#synchronised(event.answer);
          return;
        case 'page':
          if (this.#awaits('fetching', event.request)) this.#page(event.page);
          return;
        case 'refused':
          if (this.#awaits('synchronising', event.request) || this.#awaits('fetching', event.request)) {
            this.#refused(event.refusal);
          }
      }
    });
  }

  #collect(step: () => void): readonly ReplicaAction[] {
    this.#actions = [];
    step();
    return this.#actions;
  }

  /** Late answers to what is no longer asked are nothing. */
  #awaits(kind: 'synchronising' | 'fetching', request: number): boolean {
    return this.#phase.kind === kind && this.#phase.request === request;
  }

  #connected(): void {
    this.#repairs = 0;
    this.#confirmed = undefined;
    if (this.#isFetching()) {
      // Deltas made after the fetched version may have been lost with the connection.
      this.#missed = true;
      this.#fetchPage();
    } else this.#synchronise();
  }

  #elapsed(): void {
    switch (this.#phase.kind) {
      case 'unheard':
        this.#wantRestored();
        this.#phase = { kind: 'following' };
        break;
      case 'fetch-delayed':
        this.#fetchPage();
        break;
      case 'following':
      case 'sync-delayed':
        this.#synchronise();
    }
  }

  #delta(delta: Delta): void {
    if (this.#isFetching()) {
      this.#hold(delta);
      return;
    }
    switch (this.#apply(delta)) {
      case 'stale':
        break;
      case 'applied':
        this.#repairs = 0;
        this.#applyPending();
        break;
      case 'gap':
        this.#hold(delta);
        if (this.#phase.kind !== 'synchronising') this.#synchronise();
        break;
      case 'other-epoch':
        this.#hold(delta);
        this.#fetchAnew();
        break;
      case 'announced':
        if (this.#phase.kind === 'synchronising') this.#missed = true;
        else this.#synchronise();
        break;
      case 'wrong-digest':
        this.#fetchAnew();
        break;
    }
  }

  #synchronised(answer: SyncAnswer): void {
    if (this.#agrees(answer)) {
      this.#wantRestored();
      this.#settle();
    } else this.#fetchAnew();
  }

  /** Whether the document is the owner's, after the deltas of the answer if it has any. */
  #agrees(answer: SyncAnswer): boolean {
    switch (answer.kind) {
      case 'current':
        // No owner can know what we hold before we had anything from it.
        return this.#hasDocument;
      case 'deltas':
        return (
          this.#hasDocument &&
          answer.deltas.every((delta) => {
            const outcome = this.#apply(delta);
            return outcome === 'applied' || outcome === 'stale';
          })
        );
      case 'fetch':
        // What was applied while the question was on its way may have made the answer obsolete.
        return this.#submitted && isSameVersion(answer.version, this.#version);
    }
  }

  /** After an answer: what still does not fit is a loss that only another question can find. */
  #settle(): void {
    this.#applyPending();
    if (this.#pending.length > 0 || this.#missed) {
      this.#forgetPending();
      this.#missed = false;
      this.#synchroniseLater();
    } else this.#agreed();
  }

  #page(page: Page): void {
    this.#fetched ??= new FetchedDocument(page.version);
    const fetched = this.#fetched;
    const fault = fetched.add(page);
    if (fault !== undefined) {
      this.#warn(`fetched anew: ${fault}`);
      this.#fetched = undefined;
      this.#fetchLater();
    } else if (fetched.pageToken !== '') this.#fetchPage();
    else this.#fetchedAll(fetched);
  }

  #fetchedAll(fetched: FetchedDocument): void {
    this.#fetched = undefined;
    if (!this.#submitted || !isSameVersion(fetched.version, this.#version)) this.#replace(fetched);
    this.#applyPending();
    if (this.#pending.length > 0 || this.#missed) {
      this.#missed = false;
      this.#synchronise();
    } else this.#agreed();
  }

  #agreed(): void {
    this.#repairs = 0;
    this.#confirmed = this.#version;
    this.#follow();
  }

  #refused(refusal: Refusal): void {
    if (refusal === 'failed') this.#wantRestored();
    if (refusal === 'unknown') {
      this.#confirmed = undefined;
      this.#isolate();
      this.#fetched = undefined;
      this.#forgetPending();
      this.#synchroniseLater();
    } else if (this.#phase.kind === 'synchronising') this.#synchroniseLater();
    else {
      if (this.#fetched !== undefined && ++this.#fetched.failures > MAX_PAGE_RETRIES)
        this.#fetched = undefined;
      if (refusal === 'aborted') this.#fetched = undefined;
      this.#fetchLater();
    }
  }

  /** An unknown DPU gets nothing: whatever it was told before is not valid for it any more. */
  #isolate(): void {
    const isEmpty = isSameVersion(this.#version, NOTHING);
    if (this.#submitted && isEmpty) return;
    if (!isEmpty) this.#warn('the owner does not know this DPU: its document is emptied');
    this.#replace({ version: NOTHING, entries: new Map() });
  }

  #apply(delta: Delta): 'applied' | 'stale' | 'gap' | 'other-epoch' | 'announced' | 'wrong-digest' {
    const { version, base, upserts, deletes } = delta;
    if (version.epoch !== this.#version.epoch) return 'other-epoch';
    if (version.sequence <= this.#version.sequence) return 'stale';
    if (base !== this.#version.sequence) return 'gap';
    if (!digestAfter(this.state, delta).equals(version.digest)) {
      // A change that is too large for a message comes without its entries, to say that it is there.
      if (upserts.size + deletes.length === 0) return 'announced';
      this.#warn(`the change to sequence ${version.sequence} does not lead to the digest it states`);
      return 'wrong-digest';
    }
    amend(this.#entries, delta);
    this.#version = version;
    if (this.#submitted)
      this.#actions.push({ kind: 'submit', update: { owner: this.owner, version, upserts, deletes } });
    this.#actions.push({ kind: 'persist', change: { version, upserts, deletes } });
    return 'applied';
  }

  #hold(delta: Delta): void {
    const bytes = sizeOf(delta);
    if (this.#pending.length >= MAX_PENDING_DELTAS || this.#pendingBytes + bytes > MAX_PENDING_BYTES) {
      this.#missed = true;
      return;
    }
    this.#pending.push(delta);
    this.#pendingBytes += bytes;
  }

  /** Applies what fits by now, drops what is not newer, keeps the rest. */
  #applyPending(): void {
    if (this.#pending.length === 0) return;
    const inOrder = this.#pending.sort((left, right) =>
      compare(left.version.sequence, right.version.sequence),
    );
    this.#forgetPending();
    for (const delta of inOrder) {
      const outcome = this.#apply(delta);
      if (outcome === 'announced' || outcome === 'wrong-digest') this.#missed = true;
      else if (outcome === 'gap' || outcome === 'other-epoch') this.#hold(delta);
    }
  }

  #forgetPending(): void {
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #replace({ version, entries }: { version: DocumentVersion; entries: Map<string, Uint8Array> }): void {
    this.#version = version;
    this.#entries = entries;
    this.#submitAll();
    this.#actions.push({ kind: 'persist' });
  }

  get #hasDocument(): boolean {
    return this.#submitted || this.restored !== undefined;
  }

  /** What came from the disk, with what was applied onto it, is the newest that can be had now. */
  #wantRestored(): void {
    if (!this.#submitted && this.#hasDocument) this.#submitAll();
  }

  #submitAll(): void {
    this.#submitted = true;
    // A copy: the engine may look at it after the next change of ours.
    const complete = new Map(this.#entries);
    this.#actions.push({ kind: 'submit', update: { owner: this.owner, version: this.#version, complete } });
  }

  #synchronise(): void {
    const request = ++this.#lastRequest;
    this.#phase = { kind: 'synchronising', request };
    this.#actions.push({ kind: 'synchronise', request, version: this.#version });
  }

  /** Fetches from the first page: at once, unless this has been tried and nothing came of it. */
  #fetchAnew(): void {
    this.#fetched = undefined;
    if (this.#repairs > 0) this.#fetchLater();
    else {
      this.#repairs = 1;
      this.#fetchPage();
    }
  }

  #fetchPage(): void {
    const request = ++this.#lastRequest;
    this.#phase = { kind: 'fetching', request };
    this.#actions.push({ kind: 'fetch', request, pageToken: this.#fetched?.pageToken ?? '' });
  }

  #fetchLater(): void {
    this.#phase = { kind: 'fetch-delayed' };
    this.#backOff();
  }

  #synchroniseLater(): void {
    this.#phase = { kind: 'sync-delayed' };
    this.#backOff();
  }

  #follow(): void {
    this.#phase = { kind: 'following' };
    this.#wait(SYNC_MILLISECONDS, SYNC_JITTER);
  }

  #backOff(): void {
    this.#repairs = Math.min(this.#repairs + 1, MAX_REPAIRS);
    this.#wait(FIRST_RETRY_MILLISECONDS * 2 ** (this.#repairs - 1), RETRY_JITTER);
  }

  #wait(milliseconds: number, jitter: number): void {
    this.#actions.push({ kind: 'wait', milliseconds: Math.min(milliseconds, SYNC_MILLISECONDS), jitter });
  }

  #warn(message: string): void {
    this.#actions.push({ kind: 'warn', message });
  }

  #isFetching(): boolean {
    return this.#phase.kind === 'fetching' || this.#phase.kind === 'fetch-delayed';
  }
}

const compare = (left: bigint, right: bigint): number => (left < right ? -1 : left > right ? 1 : 0);
