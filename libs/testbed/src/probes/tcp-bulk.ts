import { fileURLToPath } from 'node:url';
import { AppError } from '@outboard/core';
import type { Endpoint } from '../places.js';
import type { Program } from '../program.js';
import { versionOf } from '../sockets.js';
import type { Testbed } from '../testbed.js';

const AGENT = fileURLToPath(new URL('../../agents/tcp-bulk.mjs', import.meta.url));
/** An hour of intervals. */
const MAX_INTERVALS = 36_000;
const MAX_STALLS = 1000;

/** As seen from `from`: forward is what it sends. */
export type BulkDirection = 'forward' | 'backward';

export interface TcpBulkOptions {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Where `from` connects to: absent, the first address of `to` of an IP version that `from` has. */
  readonly ip?: string;
  /** Where `to` listens; absent: any free port. */
  readonly port?: number;
  /** Default both, one connection each. */
  readonly directions?: readonly BulkDirection[];
}

export interface BulkReport {
  readonly bytes: number;
  /** From the first to the last interval. */
  readonly milliseconds: number;
  readonly bitsPerSecond: number;
  /** Of about 100 ms each; `milliseconds` since the start of the probe. */
  readonly intervals: readonly { readonly milliseconds: number; readonly bytes: number }[];
  /** Times of 200 ms and more in which no byte arrived. The first 1,000. */
  readonly stalls: readonly { readonly startMilliseconds: number; readonly milliseconds: number }[];
}

export interface TcpBulkReport {
  readonly forward: BulkReport | undefined;
  readonly backward: BulkReport | undefined;
  /** How a connection broke (an errno's name), if one did. */
  readonly failure: string | undefined;
}

type AgentEvent =
  | { readonly event: 'ready'; readonly port?: number }
  | {
      readonly event: 'interval';
      readonly direction: BulkDirection;
      readonly at: number;
      readonly bytes: number;
    }
  | {
      readonly event: 'stall';
      readonly direction: BulkDirection;
      readonly at: number;
      readonly milliseconds: number;
    }
  | { readonly event: 'failed'; readonly code: string };

/** Bulk TCP in each direction, as fast as it goes, by two processes of its own. */
export class TcpBulk implements AsyncDisposable {
  static #number = 0;
  readonly #meters = new Map<BulkDirection, Meter>();
  readonly #programs: Program[] = [];
  readonly #testbed: Testbed;
  #failure: string | undefined;

  private constructor(testbed: Testbed) {
    this.#testbed = testbed;
  }

  /** Resolves when the connections stand. Throws AppError: INVALID_ARGUMENT, FAILED_PRECONDITION (cannot connect). */
  static async start(testbed: Testbed, options: TcpBulkOptions): Promise<TcpBulk> {
    const { from, to, directions = ['forward', 'backward'] } = options;
    const versions = new Set(from.addresses.map(versionOf));
    const ip = options.ip ?? to.addresses.find((address) => versions.has(versionOf(address)));
    if (ip === undefined) {
      const description = 'must have an address of an IP version of the sender';
      throw AppError.invalid([{ field: 'to', description }]);
    }
    const bulk = new TcpBulk(testbed);
    try {
      const number = ++TcpBulk.#number;
      const ready = await bulk.#run(to, `tcp-bulk-${number}-listen`, ['listen', String(options.port ?? 0)]);
      await bulk.#run(from, `tcp-bulk-${number}-connect`, ['connect', ip, String(ready.port), ...directions]);
      return bulk;
    } catch (failure) {
      await bulk[Symbol.asyncDispose]();
      throw failure;
    }
  }

  get report(): TcpBulkReport {
    return {
      forward: this.#meters.get('forward')?.report,
      backward: this.#meters.get('backward')?.report,
      failure: this.#failure,
    };
  }

  /** Bytes that have arrived in a direction, by the last interval. */
  bytes(direction: BulkDirection): number {
    return this.#meters.get(direction)?.bytes ?? 0;
  }

  /** Ends the streams and reports. */
  async stop(): Promise<TcpBulkReport> {
    await this[Symbol.asyncDispose]();
    return this.report;
  }

  /** The receivers are asked to end first: a closed connection is a failure only where nobody asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.splice(0).reverse()) await this.#testbed.removeProgram(program);
  }

  async #run(place: Endpoint, name: string, args: readonly string[]): Promise<{ readonly port?: number }> {
    const startedAt = Date.now();
    const program = this.#testbed.program(place, {
      name,
      command: [process.execPath, AGENT, ...args],
      onLine: (line) => this.#take(line, startedAt),
    });
    this.#programs.push(program);
    return JSON.parse(await program.start()) as { port?: number };
  }

  #take(line: string, startedAt: number): void {
    if (!line.startsWith('{')) return;
    const event = JSON.parse(line) as AgentEvent;
    if (event.event === 'failed') this.#failure = event.code;
    if (event.event !== 'interval' && event.event !== 'stall') return;
    const meter = this.#meters.get(event.direction) ?? new Meter(startedAt);
    this.#meters.set(event.direction, meter);
    if (event.event === 'interval') meter.interval(event.at, event.bytes);
    else meter.stall(event.at, event.milliseconds);
  }
}

class Meter {
  readonly #intervals: { milliseconds: number; bytes: number }[] = [];
  readonly #stalls: { startMilliseconds: number; milliseconds: number }[] = [];
  #bytes = 0;

  constructor(readonly startedAt: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  interval(at: number, bytes: number): void {
    this.#bytes += bytes;
    if (this.#intervals.length < MAX_INTERVALS) {
      this.#intervals.push({ milliseconds: at - this.startedAt, bytes });
    }
  }

  stall(at: number, milliseconds: number): void {
    if (this.#stalls.length >= MAX_STALLS) return;
    this.#stalls.push({ startMilliseconds: at - this.startedAt, milliseconds });
  }

  get report(): BulkReport {
    const first = this.#intervals[0];
    const last = this.#intervals.at(-1);
    // What arrived in the first interval belongs to the time before its end.
    const milliseconds =
      first === undefined || last === undefined ? 0 : last.milliseconds - first.milliseconds;
    const measured = this.#bytes - (first?.bytes ?? 0);
    return {
      bytes: this.#bytes,
      milliseconds,
      bitsPerSecond: milliseconds === 0 ? 0 : (measured * 8000) / milliseconds,
      intervals: this.#intervals,
      stalls: this.#stalls,
    };
  }
}
