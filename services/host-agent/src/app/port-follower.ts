import type { Received, Subscription } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { AppError, type Clock, type Result, unwrap } from '@outboard/core';
import { type Condition, findCondition, isReady, type Port } from '@outboard/model';
import { isRecord } from '../domain/json.js';
import type { AgentBus } from './eventual-bus.js';

/** Events are hints: what they would have told is asked for as well, this often. */
const POLL_MILLISECONDS = 1_000;

export interface PortReference {
  readonly tenant: string;
  readonly name: string;
}

/** What is asked of a port while somebody waits for it. */
interface Progress {
  readonly uid: string;
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
}

/** The events of one port, and questions where they are missing. */
export class PortFollower implements AsyncDisposable {
  #subscription: Subscription | undefined;
  /** What the last event told; undefined: nothing since the port was last looked at. */
  #told: Received | undefined;
  #wake = (): void => {};
  #cancelled: string | undefined;

  private constructor(
    private readonly clock: Clock,
    private readonly port: PortReference,
    /** Asks for the port itself, within milliseconds. */
    private readonly ask: (timeoutMilliseconds: number) => Promise<Result<Port, AppError>>,
  ) {}

  /** Follows from when it resolves. Throws AppError UNAVAILABLE. */
  static async open(
    bus: AgentBus,
    clock: Clock,
    port: PortReference,
    ask: (timeoutMilliseconds: number) => Promise<Result<Port, AppError>>,
  ): Promise<PortFollower> {
    const follower = new PortFollower(clock, port, ask);
    const address = { ...port, api: 'network', kind: 'port' } as const;
    follower.#subscription = await bus.subscribe(subjects.events(address), (event) => {
      // What is accepted has been answered already.
      if (event.subject.endsWith('.accepted')) return;
      follower.#told = event;
      follower.#wake();
    });
    return follower;
  }

  /** Nobody waits any more. */
  cancel(why: string): void {
    this.#cancelled ??= why;
    this.#wake();
  }

  /**
   * Resolves once the port is ready: its DPU has applied and read back what this version asks for. Throws AppError
   * DEADLINE_EXCEEDED with what it waits for, CANCELLED, or what asking for it says.
   */
  async ready(port: Port, deadline: number): Promise<void> {
    const what = `port ${this.port.tenant}/${this.port.name}`;
    const { uid, generation } = port.metadata;
    for (let latest = progressOf(port); ; ) {
      const isCurrent = latest.uid === uid && latest.observedGeneration >= generation;
      if (isCurrent && isReady(latest.conditions)) return;
      const left = deadline - this.clock.monotonic();
      if (left <= 0) {
        const message = `${what} is not ready: ${waitsFor(latest.conditions)}`;
        throw new AppError('DEADLINE_EXCEEDED', message);
      }
      if (this.#cancelled !== undefined) {
        throw new AppError('CANCELLED', `${what} is not waited for any more: ${this.#cancelled}`);
      }
      if (this.#told === undefined) await this.#pause(Math.min(left, POLL_MILLISECONDS));
      if (this.#cancelled !== undefined) continue;
      latest = this.#heard() ?? progressOf(unwrap(await this.ask(left)));
    }
  }

  /** For so long, or until there is news. */
  async #pause(milliseconds: number): Promise<void> {
    let timer: Disposable | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.clock.schedule(milliseconds, resolve);
    });
    timer?.[Symbol.dispose]();
  }

  /** What the last event tells. */
  #heard(): Progress | undefined {
    const told = this.#told;
    this.#told = undefined;
    if (told === undefined || told.subject.endsWith('.deleted')) return undefined;
    return progressIn(told.body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel('the follower is closed');
    await this.#subscription?.[Symbol.asyncDispose]();
  }
}

const progressOf = ({ metadata: { uid }, status: { observedGeneration, conditions } }: Port): Progress => ({
  uid,
  observedGeneration,
  conditions,
});

/**
 * The same of an event, without the rest of the port, which nobody asks for and whose decoding the end of every ADD would
 * wait for. Undefined where it is something else: then the port is asked for.
 */
function progressIn(body: Uint8Array): Progress | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined;
  }
  const { metadata, status } = isRecord(json) ? json : {};
  if (!isRecord(metadata) || !isRecord(status)) return undefined;
  const { uid } = metadata;
  // What is 0 or empty is left out.
  const { observedGeneration = 0, conditions = [] } = status;
  if (typeof uid !== 'string' || typeof observedGeneration !== 'number' || !Array.isArray(conditions))
    return undefined;
  const known = conditions
    .filter(isRecord)
    .map((each) => ({ reason: '', message: '', ...each }) as Condition);
  return { uid, observedGeneration, conditions: known };
}

/** The first condition that does not hold, in the order in which they have to. */
function waitsFor(conditions: readonly Condition[]): string {
  const ready = findCondition(conditions, 'Ready');
  if (ready === undefined) return 'nothing is known of it yet';
  return `${ready.reason}${ready.message === '' ? '' : `: ${ready.message}`}`;
}
