import type { Received, Subscription } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { AppError, type Clock, type Result, unwrap } from '@outboard/core';
import {
  type Condition,
  decodeResource,
  encodeResource,
  findCondition,
  isReady,
  type Port,
  type ResourceJson,
} from '@outboard/model';
import type { AgentBus } from './eventual-bus.js';

/** Events are hints: what they would have told is asked for as well, this often. */
const POLL_MILLISECONDS = 1_000;

export interface PortReference {
  readonly tenant: string;
  readonly name: string;
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
   * The port once it is ready: its DPU has applied and read back what this version asks for. Throws AppError
   * DEADLINE_EXCEEDED with what it waits for, CANCELLED, or what asking for it says.
   */
  async ready(port: Port, deadline: number): Promise<Port> {
    const what = `port ${this.port.tenant}/${this.port.name}`;
    const { spec } = encodeResource(port);
    for (let latest = port; ; ) {
      const { metadata, status } = latest;
      const isCurrent =
        metadata.uid === port.metadata.uid && status.observedGeneration >= port.metadata.generation;
      if (isCurrent && isReady(status.conditions)) return latest;
      const left = deadline - this.clock.monotonic();
      if (left <= 0) {
        const message = `${what} is not ready: ${waitsFor(status.conditions)}`;
        throw new AppError('DEADLINE_EXCEEDED', message);
      }
      if (this.#cancelled !== undefined) {
        throw new AppError('CANCELLED', `${what} is not waited for any more: ${this.#cancelled}`);
      }
      const pause = new AbortController();
      this.#wake = () => pause.abort();
      if (this.#told === undefined) await this.clock.delay(Math.min(left, POLL_MILLISECONDS), pause.signal);
      if (this.#cancelled !== undefined) continue;
      latest = this.#heard(spec) ?? unwrap(await this.ask(left));
    }
  }

  /** The port as the last event has it, which lacks the spec: that is as it was. */
  #heard(spec: ResourceJson['spec']): Port | undefined {
    const told = this.#told;
    this.#told = undefined;
    if (told === undefined || told.subject.endsWith('.deleted')) return undefined;
    const event = decodeResource({ ...parseJson(told.body), spec });
    return event.ok && event.value.kind === 'Port' ? event.value : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel('the follower is closed');
    await this.#subscription?.[Symbol.asyncDispose]();
  }
}

function parseJson(body: Uint8Array): object {
  try {
    return JSON.parse(Buffer.from(body).toString()) as object;
  } catch {
    return {};
  }
}

/** The first condition that does not hold, in the order in which they have to. */
function waitsFor(conditions: readonly Condition[]): string {
  const ready = findCondition(conditions, 'Ready');
  if (ready === undefined) return 'nothing is known of it yet';
  return `${ready.reason}${ready.message === '' ? '' : `: ${ready.message}`}`;
}
