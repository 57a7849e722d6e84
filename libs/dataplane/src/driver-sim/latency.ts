import { type AppError, type Clock, err, ok, Problems, type Random, type Result } from '@outboard/core';
import { OVS_ORDER } from '../driver-ovs/realise/ovs-objects.js';

/** How long a simulated switch takes for what it is told and asked, milliseconds. */
export interface LatencyShape {
  /** For each call, whatever it carries. */
  readonly call: number;
  /** For each object that is made, changed or removed. */
  readonly operation: number;
  /** For each object that is read. */
  readonly read: number;
  /** Of `operation`, for objects of some kinds: `port`, `rule`, ... */
  readonly kinds: ReadonlyMap<string, number>;
  /** By so much of itself each is longer or shorter, at random: 0 to 1. */
  readonly jitter: number;
}

export interface LatencyOptions {
  readonly shape: LatencyShape;
  readonly clock: Clock;
  readonly random: Random;
}

/** What is shorter than a timer can wait for is waited for together with what comes next. */
const SHORTEST_WAIT_MILLISECONDS = 1;
const MAX_MILLISECONDS = 60_000;
const NAMED = ['call', 'operation', 'read'] as const;

/** The time that one switch takes: one thing after the other, whoever asks for it. */
export class Latency {
  #busyUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: LatencyOptions) {}

  /** Resolves when it is done with operations on objects of these kinds. */
  ofOperations(kinds: readonly string[]): Promise<void> {
    const { shape } = this.options;
    return this.#pass(kinds.map((kind) => shape.kinds.get(kind) ?? shape.operation));
  }

  /** Resolves when it has read so many objects. */
  ofReading(objects: number): Promise<void> {
    return this.#pass([this.options.shape.read * objects]);
  }

  /** Resolves when it has taken a call. */
  ofCall(): Promise<void> {
    return this.#pass([this.options.shape.call]);
  }

  async #pass(latencies: readonly number[]): Promise<void> {
    const { shape, clock, random } = this.options;
    const stretched = (latency: number): number =>
      latency === 0 || shape.jitter === 0
        ? latency
        : latency * (1 + shape.jitter * (2 * random.fraction() - 1));
    const now = clock.monotonic();
    const work = latencies.reduce((sum, latency) => sum + stretched(latency), 0);
    this.#busyUntil = Math.max(now, this.#busyUntil) + work;
    const wait = this.#busyUntil - now;
    if (wait >= SHORTEST_WAIT_MILLISECONDS) await clock.delay(wait);
  }
}

/**
 * A shape from `0.5`, which is for each operation, or `call=2,operation=0.5,read=0.05,jitter=0.3,port=20`, where other names
 * are of kinds (`kinds`). What is not named takes no time. INVALID_ARGUMENT with every problem.
 */
export function parseLatency(
  text: string,
  kinds: readonly string[] = OVS_ORDER,
): Result<LatencyShape, AppError> {
  const problems = new Problems();
  const named = new Map<string, number>();
  for (const part of /^[\d.]+$/.test(text) ? [`operation=${text}`] : text.split(',')) {
    const [name = '', value = '', ...rest] = part.split('=');
    const isKnown = [...NAMED, 'jitter', ...kinds].includes(name);
    const most = name === 'jitter' ? 1 : MAX_MILLISECONDS;
    const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!isKnown) problems.add(name, `must be ${NAMED.join(', ')}, jitter, or a kind: ${kinds.join(', ')}`);
    else if (rest.length > 0 || !(number >= 0 && number <= most))
      problems.add(name, `must be a number of 0 to ${most}, not ${part.slice(name.length + 1)}`);
    else if (named.has(name)) problems.add(name, 'must be there once');
    else named.set(name, number);
  }
  if (problems.total > 0) return err(problems.toError());
  const { call = 0, operation = 0, read = 0, jitter = 0, ...ofKinds } = Object.fromEntries(named);
  return ok({ call, operation, read, jitter, kinds: new Map(Object.entries(ofKinds)) });
}
