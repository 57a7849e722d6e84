import { type Bus, STREAM } from '@outboard/bus';
import { type Api, HEADERS, parseResourceSubject, subjects } from '@outboard/contracts';
import { AppError, type Clock, err, type Random, type Result } from '@outboard/core';
import { findKindByToken } from '@outboard/model';
import type { RelayLog } from './bus-relay.js';
import { keyText } from './key-text.js';
import type { PublishedStates } from './repair-states.js';
import type { ResourceService } from './resource-service.js';

export interface StateRepairOptions {
  readonly bus: Pick<Bus, 'watch' | 'onState'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Whose states are repaired: a service publishes those of its own API. */
  readonly api: Api;
  readonly service: Pick<ResourceService, 'repairStates'>;
  /** Told of the first failure and of the end of failing. Default: nobody is told. */
  readonly log?: RelayLog;
}

/** After a failure: the stream cannot be read, or the store takes nothing. */
const FIRST_RETRY_MILLISECONDS = 500;
const LAST_RETRY_MILLISECONDS = 30_000;

/**
 * Has the state stream hold what is stored. The outbox sends every change once; what the stream has lost since (it was
 * deleted, its server lost power or was put back to an older day), or has too much of (this service's database was put
 * back), only a comparison tells. It is made at start, with every new connection, and when it is asked for.
 */
export class StateRepair implements AsyncDisposable {
  readonly #options: StateRepairOptions;
  readonly #stopped = new AbortController();
  #listening: Disposable | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #timer: Disposable | undefined;

  constructor(options: StateRepairOptions) {
    this.#options = options;
  }

  /** Begins at once, in the background. */
  start(): void {
    this.#listening = this.#options.bus.onState((state) => {
      if (state === 'connected') this.repair();
    });
  }

  /** A stream is another one than before: nothing of what was in it is there any more. */
  streamReplaced(stream: string): void {
    if (stream === STREAM.state.name) this.repair();
  }

  /** Compares, in the background, until that is done. */
  repair(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#again = this.#running !== undefined;
    if (this.#again || this.#stopped.signal.aborted) return;
    this.#running = this.#compare().then((outcome) => {
      this.#running = undefined;
      if (this.#stopped.signal.aborted) return;
      if (this.#again) this.repair();
      else if (outcome.ok) this.#done();
      else this.#retry(outcome.error);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    this.#listening?.[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    await this.#running;
  }

  #done(): void {
    const failures = this.#failures;
    this.#failures = 0;
    if (failures > 0)
      this.#options.log?.info({ failures }, 'the stream of states was compared with what is stored');
  }

  #retry({ code, message }: AppError): void {
    const { clock, random, log } = this.#options;
    if (this.#failures === 0)
      log?.warn({ code }, `the stream of states is not compared with what is stored: ${message}`);
    const longest = Math.min(LAST_RETRY_MILLISECONDS, FIRST_RETRY_MILLISECONDS * 2 ** this.#failures++);
    this.#timer = clock.schedule(longest * (0.5 + random.fraction() / 2), () => this.repair());
  }

  async #compare(): Promise<Result<void, AppError>> {
    try {
      const published = await this.#published();
      if (this.#stopped.signal.aborted) return err(new AppError('CANCELLED', 'the service stops'));
      return await this.#options.service.repairStates(published);
    } catch (failure) {
      // The stream cannot be read at present.
      return err(AppError.from(failure));
    }
  }

  /** What the stream holds of this API, without tombstones. */
  async #published(): Promise<PublishedStates> {
    const { bus, api } = this.#options;
    const { signal } = this.#stopped;
    const found = new Map<string, string>();
    let enough = (): void => {};
    const seen = new Promise<void>((resolve) => {
      enough = resolve;
    });
    signal.addEventListener('abort', enough, { once: true });
    const watch = await bus.watch(
      { stream: STREAM.state.name, filterSubject: subjects.allStates(api), from: 'last-per-subject' },
      {
        message({ subject, headers }) {
          const { kind: token = '', tenant = '', name = '' } = parseResourceSubject(subject) ?? {};
          const kind = findKindByToken(token)?.kind;
          if (kind === undefined) return;
          const key = keyText({ kind, tenant, name });
          if (headers[HEADERS.operation] === 'delete') found.delete(key);
          else found.set(key, headers[HEADERS.messageId] ?? '');
        },
        current: enough,
        restart: () => found.clear(),
      },
    );
    await Promise.race([seen, watch.closed]).finally(() => watch[Symbol.asyncDispose]());
    signal.removeEventListener('abort', enough);
    return found;
  }
}
