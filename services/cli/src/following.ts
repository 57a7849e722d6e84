import { type Bus, type Received, STREAM, type Watched, type WatchSpec } from '@outboard/bus';
import { HEADERS, parseResourceSubject, type ResourceAddress, subjects } from '@outboard/contracts';
import { type AnyKind, kindToken, type ResourceJson, SYSTEM_TENANT } from '@outboard/model';

/** All of a kind, or one by its name, from the state stream. */
export function stateSpec(kind: AnyKind, tenant: string, names: readonly string[] = []): WatchSpec {
  const [name, another] = names;
  const filter = {
    ...(kind.scope === 'tenant' && tenant === SYSTEM_TENANT ? {} : { tenant }),
    api: kind.api,
    kind: kindToken(kind),
    ...(name !== undefined && another === undefined && { name }),
  };
  return { stream: STREAM.state.name, filterSubject: subjects.states(filter), from: 'last-per-subject' };
}

export type Step =
  | { readonly type: 'message'; readonly received: Watched }
  /** Everything that was there when the watch started has been given. */
  | { readonly type: 'current' }
  /** The stream was lost: what comes until the next `current` is all there is. */
  | { readonly type: 'restart' };

/** A watch as a sequence of steps. It ends when the signal aborts, and throws what ended the watch otherwise. */
export async function* steps(bus: Bus, spec: WatchSpec, signal: AbortSignal): AsyncGenerator<Step> {
  const queue: { readonly step: Step; taken?(): void }[] = [];
  let ended = signal.aborted;
  let failure: unknown;
  let wake = (): void => {};
  const end = (reason?: unknown): void => {
    ended = true;
    failure = reason;
    wake();
  };
  const push = (step: Step, taken?: () => void): void => {
    queue.push(taken ? { step, taken } : { step });
    wake();
  };
  const aborted = (): void => end();
  signal.addEventListener('abort', aborted, { once: true });
  const subscription = await bus.watch(spec, {
    // One at a time: the watch is as slow as whoever takes the steps.
    message: (received) =>
      ended ? undefined : new Promise<void>((taken) => push({ type: 'message', received }, taken)),
    current: () => push({ type: 'current' }),
    restart: () => push({ type: 'restart' }),
  });
  subscription.closed.then(aborted, end);
  try {
    while (!ended) {
      const next = queue.shift();
      if (!next) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      try {
        yield next.step;
      } finally {
        next.taken?.();
      }
    }
    if (failure !== undefined) throw failure;
  } finally {
    ended = true;
    signal.removeEventListener('abort', aborted);
    for (const { taken } of queue) taken?.();
    await subscription[Symbol.asyncDispose]();
  }
}

/** What has become of one resource. */
export interface StateChange {
  /** `present`: it was there when the watch started; `gone`: it had been deleted before. */
  readonly operation: 'present' | 'created' | 'changed' | 'deleted' | 'gone';
  readonly address: ResourceAddress;
  /** Of a deleted one: its identity, if the stream tells it. */
  readonly object: ResourceJson | undefined;
}

/** Makes changes of the states that a watch of the state stream gives. */
export class StateFollower {
  /** Revision of what is known, by subject. */
  readonly #known = new Map<string, string>();
  /** Subjects that the listing has shown so far; undefined: it is over. */
  #listed: Set<string> | undefined = new Set();
  #restarted = false;

  /** The changes that a step means, mostly one. */
  take(step: Step): readonly StateChange[] {
    switch (step.type) {
      case 'message': {
        const change = this.#message(step.received);
        return change ? [change] : [];
      }
      case 'restart':
        this.#listed = new Set();
        this.#restarted = true;
        return [];
      case 'current': {
        const listed = this.#listed;
        this.#listed = undefined;
        const lost = [...this.#known.keys()].filter((subject) => listed && !listed.has(subject));
        return lost.flatMap((subject) => {
          const address = parseResourceSubject(subject);
          return address ? [this.#forget(subject, address, undefined)] : [];
        });
      }
    }
  }

  #message({ subject, headers, body }: Received): StateChange | undefined {
    const address = parseResourceSubject(subject);
    if (!address) return undefined;
    this.#listed?.add(subject);
    const object = parseObject(body);
    if (headers[HEADERS.operation] === 'delete') return this.#forget(subject, address, object);
    if (!object) return undefined;
    const before = this.#known.get(subject);
    const revision = String(object.metadata.resourceVersion);
    this.#known.set(subject, revision);
    if (before === undefined) {
      const isNew = this.#listed === undefined || this.#restarted;
      return { operation: isNew ? 'created' : 'present', address, object };
    }
    return before === revision && this.#listed ? undefined : { operation: 'changed', address, object };
  }

  #forget(subject: string, address: ResourceAddress, object: ResourceJson | undefined): StateChange {
    return { operation: this.#known.delete(subject) ? 'deleted' : 'gone', address, object };
  }
}

function parseObject(body: Uint8Array): ResourceJson | undefined {
  try {
    const object = JSON.parse(Buffer.from(body).toString()) as ResourceJson | null;
    return typeof object?.metadata === 'object' ? object : undefined;
  } catch {
    return undefined;
  }
}
