import { AppError } from '@outboard/core';
import { type AnyKind, CONDITION_TYPES, type ResourceJson } from '@outboard/model';
import type { OutboardClient } from './client.js';
import { concurrently } from './concurrently.js';
import { usageError } from './failure.js';
import { type StateChange, StateFollower, stateSpec, steps } from './following.js';
import { nameOf } from './kinds.js';
import { conditionOf, textOf, valueAt } from './output/values.js';
import type { Session } from './session.js';

/** What is waited for. */
export type Goal =
  | { readonly type: 'delete' }
  | { readonly type: 'condition'; readonly condition: string; readonly status: string }
  | { readonly type: 'field'; readonly path: string; readonly value: string }
  | {
      readonly type: 'state';
      isReached(object: ResourceJson): boolean;
      /** For those who wait in vain. */
      standing(object: ResourceJson): string;
    };

const STATUSES = ['True', 'False', 'Unknown'];

const CONCURRENT_REQUESTS = 64;

/** `delete`, `condition=Ready`, `condition=Ready=False`, `status.dpu=dpu-1`, `jsonpath={.status.dpu}=dpu-1`. */
export function parseGoal(text: string): Goal {
  if (text === 'delete') return { type: 'delete' };
  const [, wanted, status = 'True'] = /^condition=([^=]+)(?:=(.+))?$/.exec(text) ?? [];
  if (wanted !== undefined) {
    return {
      type: 'condition',
      condition: oneOf(CONDITION_TYPES, wanted, 'conditions'),
      status: oneOf(STATUSES, status, 'statuses'),
    };
  }
  const [, path, value] =
    /^(?:jsonpath=)?\{?\.?((?:metadata|spec|status)\.[\w.[\]-]+)\}?=(.*)$/.exec(text) ?? [];
  if (path !== undefined && value !== undefined) return { type: 'field', path, value };
  throw usageError(
    '--for',
    'must be condition=TYPE, condition=TYPE=STATUS, delete, or a field such as status.dpu=dpu-1',
  );
}

function oneOf(known: readonly string[], text: string, what: string): string {
  const found = known.find((each) => each.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  throw usageError('--for', `${JSON.stringify(text)} is none of the ${what} ${known.join(', ')}`);
}

/** Whether a resource is there. What its status says counts only when it speaks of the present spec. */
export function isReached(goal: Goal, object: ResourceJson): boolean {
  if (goal.type === 'delete') return false;
  if (goal.type === 'state') return goal.isReached(object);
  const isUpToDate = Number(valueAt(object, 'status.observedGeneration') ?? 0) >= generationOf(object);
  if (goal.type === 'condition') {
    return isUpToDate && conditionOf(object, goal.condition)?.status === goal.status;
  }
  return (
    (isUpToDate || !goal.path.startsWith('status.')) && textOf(valueAt(object, goal.path)) === goal.value
  );
}

const generationOf = (object: ResourceJson): number => Number(object.metadata.generation ?? 0);

/** Where a resource stands, for those who wait in vain. */
function standing(goal: Goal, object: ResourceJson | undefined): string {
  if (!object) return 'it does not exist';
  if (goal.type === 'delete') return 'it is still there';
  if (goal.type === 'state') return goal.standing(object);
  if (goal.type === 'field') return `${goal.path} is ${textOf(valueAt(object, goal.path))}`;
  const condition = conditionOf(object, goal.condition);
  if (!condition) return `it has no condition ${goal.condition}`;
  const observed = Number(valueAt(object, 'status.observedGeneration') ?? 0);
  const stale =
    observed < generationOf(object) ? ` (of generation ${observed}, now ${generationOf(object)})` : '';
  return `${goal.condition} is ${condition.status}${stale}: ${condition.reason}: ${condition.message}`;
}

/** Resources of one kind that are waited for. */
export interface Awaited {
  readonly kind: AnyKind;
  readonly tenant: string;
  readonly names: readonly string[];
  /** What the service has just said of each; absent: it is asked first. */
  readonly known?: ReadonlyMap<string, ResourceJson>;
}

export interface WaitingOptions {
  readonly timeoutMilliseconds: number;
  readonly reached: (label: string) => Promise<void>;
  /** How each stands, whenever that is heard; the last time when it has reached the goal. */
  readonly seen?: (label: string, object: ResourceJson) => Promise<void>;
}

/** Waits until all have reached the goal; those that have not in time are told as failures. */
export async function awaitGoal(
  session: Session,
  client: OutboardClient,
  awaited: readonly Awaited[],
  goal: Goal,
  options: WaitingOptions,
): Promise<void> {
  const { clock, signal, failures } = session;
  const over = new AbortController();
  const stop = (): void => over.abort();
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const timer = clock.schedule(options.timeoutMilliseconds, stop);
  try {
    const groups = awaited.map((group) => new Group(group, goal, options));
    await Promise.all(groups.map((group) => group.run(client, over.signal)));
    for (const group of groups) {
      for (const [label, error] of group.failures(options.timeoutMilliseconds, signal.aborted)) {
        failures.tell(error, label);
      }
    }
  } finally {
    timer[Symbol.dispose]();
    signal.removeEventListener('abort', stop);
  }
}

/** Resources of one kind and tenant: one request for each, then one watch for all. */
class Group {
  /** What is known of those that have not reached the goal. */
  readonly #waiting = new Map<string, ResourceJson | undefined>();
  readonly #refused = new Map<string, AppError>();

  constructor(
    private readonly awaited: Awaited,
    private readonly goal: Goal,
    private readonly options: Pick<WaitingOptions, 'reached' | 'seen'>,
  ) {
    for (const name of awaited.names) this.#waiting.set(name, awaited.known?.get(name));
  }

  async run(client: OutboardClient, signal: AbortSignal): Promise<void> {
    const { kind, tenant, known } = this.awaited;
    if (!known) await this.#ask(client, signal);
    if (this.#waiting.size === 0 || signal.aborted) return;
    const follower = new StateFollower();
    for await (const step of steps(client.bus, stateSpec(kind, tenant, [...this.#waiting.keys()]), signal)) {
      for (const change of follower.take(step)) await this.#follow(change);
      if (this.#waiting.size === 0) return;
    }
  }

  failures(milliseconds: number, interrupted: boolean): readonly (readonly [string, AppError])[] {
    const { kind } = this.awaited;
    const why = interrupted ? 'interrupted' : `not within ${milliseconds / 1000} s`;
    return [
      ...[...this.#refused].map(([name, error]) => [nameOf(kind, name), error] as const),
      ...[...this.#waiting].map(([name, object]) => {
        const message = `${why}: ${standing(this.goal, object)}`;
        const error = new AppError(interrupted ? 'CANCELLED' : 'DEADLINE_EXCEEDED', message, {
          reason: 'NOT_REACHED',
        });
        return [nameOf(kind, name), error] as const;
      }),
    ];
  }

  /** The stream of states follows a little behind: what the service says now must not be undercut by it. */
  async #ask(client: OutboardClient, signal: AbortSignal): Promise<void> {
    const { kind, tenant, names } = this.awaited;
    await concurrently(names, {
      limit: CONCURRENT_REQUESTS,
      run: (name) => client.get(kind, tenant, name),
      settled: async (name, outcome) => {
        if (outcome.ok) await this.#see(name, outcome.value);
        else if (outcome.error.code !== 'NOT_FOUND') this.#refuse(name, outcome.error);
        else if (this.goal.type === 'delete') await this.#reach(name);
      },
      stopped: () => signal.aborted,
    });
  }

  async #follow({ operation, address: { name }, object }: StateChange): Promise<void> {
    if (!this.#waiting.has(name)) return;
    if (operation !== 'deleted' && operation !== 'gone') return object && this.#see(name, object);
    const known = this.#waiting.get(name);
    // The tombstone of a namesake that was there before.
    if (known && object && isOlder(object, known)) return;
    if (this.goal.type === 'delete') await this.#reach(name);
    else this.#waiting.set(name, undefined);
  }

  async #see(name: string, object: ResourceJson): Promise<void> {
    const known = this.#waiting.get(name);
    if (known && isOlder(object, known)) return;
    const isAnother = known !== undefined && known.metadata.uid !== object.metadata.uid;
    this.#waiting.set(name, object);
    await this.options.seen?.(nameOf(this.awaited.kind, name), object);
    if (isReached(this.goal, object) || (this.goal.type === 'delete' && isAnother)) await this.#reach(name);
  }

  async #reach(name: string): Promise<void> {
    this.#waiting.delete(name);
    await this.options.reached(nameOf(this.awaited.kind, name));
  }

  #refuse(name: string, error: AppError): void {
    this.#waiting.delete(name);
    this.#refused.set(name, error);
  }
}

/** Uids grow with time (UUID version 7), generations with every change of the spec. */
function isOlder(object: ResourceJson, known: ResourceJson): boolean {
  const uid = String(object.metadata.uid);
  const knownUid = String(known.metadata.uid);
  return uid === knownUid ? generationOf(object) < generationOf(known) : uid < knownUid;
}
