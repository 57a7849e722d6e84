import type { Bus, Received, Subscription } from '@outboard/bus';
import { HEADERS, SUBJECT_PREFIX, subjects } from '@outboard/contracts';
import { AppError, systemClock } from '@outboard/core';
import {
  type AnyResource,
  addressOf,
  decodeResource,
  isReady,
  type KindName,
  type ResourceOf,
} from '@outboard/model';

const DEADLINE_MILLISECONDS = 600_000;
/** Functions, which are the most, are not followed. */
const FOLLOWED = ['admin.dpu.*', 'network.>'];

export interface Named {
  readonly tenant: string;
  readonly name: string;
}

/**
 * What the state stream says of DPUs, ports and policies. Whoever waits for one resource is asked when that one changes:
 * thousands wait at a time, and asking all of them at each change would measure the benchmark.
 */
export class FollowedState implements AsyncDisposable {
  readonly #resources = new Map<string, AnyResource>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #readyDpus = new Set<string>();
  readonly #dpuWaiters = new Set<() => void>();
  readonly #timers = new Set<Disposable>();
  #watches: Subscription[] = [];

  static async open(bus: Bus): Promise<FollowedState> {
    const followed = new FollowedState();
    for (const kinds of FOLLOWED) {
      const filterSubject = `${SUBJECT_PREFIX}.state.*.${kinds}`;
      const watch = await bus.watch(
        { stream: 'OUTBOARD_STATE', filterSubject, from: 'last-per-subject' },
        { message: (received) => followed.#take(received) },
      );
      followed.#watches.push(watch);
    }
    return followed;
  }

  /** DPUs that are ready at present. */
  get readyDpus(): number {
    return this.#readyDpus.size;
  }

  get<Kind extends KindName>(kind: Kind, metadata: Named): ResourceOf<Kind> | undefined {
    return this.#resources.get(subjects.state(addressOf({ kind, metadata }))) as ResourceOf<Kind> | undefined;
  }

  /** Resolves when `look`, asked now and at every change of that resource, says so. */
  async until<Kind extends KindName>(
    kind: Kind,
    metadata: Named,
    look: (resource: ResourceOf<Kind> | undefined) => boolean,
  ): Promise<void> {
    const subject = subjects.state(addressOf({ kind, metadata }));
    const waiting = this.#waiting.get(subject) ?? new Set();
    this.#waiting.set(subject, waiting);
    await this.#wait(waiting, () => look(this.get(kind, metadata)), `${kind} ${metadata.name}`);
    if (waiting.size === 0) this.#waiting.delete(subject);
  }

  untilReadyDpus(look: (ready: number) => boolean): Promise<void> {
    return this.#wait(this.#dpuWaiters, () => look(this.readyDpus), 'DPUs are ready');
  }

  /** Who waits still waits in vain. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) timer[Symbol.dispose]();
    for (const watch of this.#watches) await watch[Symbol.asyncDispose]();
  }

  #take({ subject, headers, body }: Received): void {
    const resource = headers[HEADERS.operation] === 'delete' ? undefined : decodeResource(body);
    if (resource?.ok) this.#resources.set(subject, resource.value);
    else this.#resources.delete(subject);
    if (resource?.ok && resource.value.kind === 'Dpu') {
      const { metadata, status } = resource.value;
      if (isReady(status.conditions)) this.#readyDpus.add(metadata.name);
      else this.#readyDpus.delete(metadata.name);
      for (const check of [...this.#dpuWaiters]) check();
    }
    for (const check of [...(this.#waiting.get(subject) ?? [])]) check();
  }

  #wait(waiting: Set<() => void>, look: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        waiting.delete(check);
        this.#timers.delete(timer);
        timer[Symbol.dispose]();
      };
      const timer = systemClock.schedule(DEADLINE_MILLISECONDS, () => {
        end();
        reject(new AppError('DEADLINE_EXCEEDED', `not within ${DEADLINE_MILLISECONDS / 1_000} s: ${what}`));
      });
      const check = (): void => {
        if (!look()) return;
        end();
        resolve();
      };
      this.#timers.add(timer);
      waiting.add(check);
      check();
    });
  }
}
