import { SUBJECT_PREFIX } from '@outboard/contracts';
import { systemClock } from '@outboard/core';
import { waitUntil } from '@outboard/testbed';
import { quantile, teller } from '../report.js';
import { sized } from '../sizes.js';
import { type CpuTimes, cpuSince, type FleetSystem } from './fleet-system.js';

const tellOfFleet = teller('fleet');

/** Changes one after the other whose times are taken. */
const CHANGES = sized(100, 2);
/**
 * The processes have settled when all of them together, which are never idle, take no more than a processor for so long:
 * what they were told before is done, and so are collections of what memory that has left.
 */
const SETTLED_MILLISECONDS = sized(10_000, 100);
const LONGEST_SETTLING_MILLISECONDS = 300_000;
export const BAR_MILLISECONDS = 1_000;

/** What is measured of a fleet, and told. */
export class Meter {
  constructor(private readonly system: FleetSystem) {}

  /** The times of changes that concern all DPUs, one after the other, and what they cost on the bus. */
  async changes(what: string, change: (index: number) => Promise<number>): Promise<void> {
    await this.#settled();
    this.progress(what);
    const deltas = await this.counted(`${SUBJECT_PREFIX}.dpu.*.delta.*`);
    const reports = await this.counted(`${SUBJECT_PREFIX}.dpu.*.observed.*`);
    const before = this.system.cpu();
    const times: number[] = [];
    for (let index = 0; index < CHANGES; index++) times.push(await change(index));
    const { messages, bytes } = await deltas.end();
    const reported = await reports.end();
    const each = CHANGES * this.system.options.dpus;
    this.tell(`${what}, until the last DPU has applied it, p50`, quantile(times, 0.5), 'ms');
    this.tell(
      `${what}, until the last DPU has applied it, p99`,
      quantile(times, 0.99),
      'ms',
      BAR_MILLISECONDS,
    );
    for (const [name, milliseconds] of Object.entries(cpuSince(before, this.system.cpu())))
      this.tell(`${what}: processor of ${name} for a change`, milliseconds / CHANGES, 'ms');
    this.tell(`${what}: deltas for each DPU`, messages / each, '');
    this.tell(`${what}: bytes of deltas for each DPU`, bytes / each, 'B');
    this.tell(`${what}: reports of each DPU`, reported.messages / each, '');
  }

  async #settled(): Promise<void> {
    this.progress('until the processes have settled');
    let before = this.system.cpu();
    await waitUntil(
      'the processes have settled',
      async () => {
        await systemClock.delay(SETTLED_MILLISECONDS);
        const now = this.system.cpu();
        const used = Object.values(cpuSince(before, now)).reduce((sum, each) => sum + each, 0);
        before = now;
        return used <= SETTLED_MILLISECONDS ? undefined : `they took ${used.toFixed(0)} ms`;
      },
      LONGEST_SETTLING_MILLISECONDS,
    );
  }

  async counted(subject: string) {
    const counted = { messages: 0, bytes: 0 };
    const subscription = await this.system.bus.subscribe(subject, ({ body }) => {
      counted.messages++;
      counted.bytes += body.length;
    });
    return {
      end: async (): Promise<typeof counted> => {
        await subscription[Symbol.asyncDispose]();
        return counted;
      },
    };
  }

  tell(metric: string, value: number, unit: string, bar?: number): void {
    tellOfFleet(`${this.system.options.dpus} DPUs: ${metric}`, value, unit, bar);
  }

  /** Mebibytes of each process. */
  tellMemory(): void {
    for (const [name, mebibytes] of Object.entries(this.system.memory()))
      this.tell(`memory of ${name}`, mebibytes, 'MiB');
  }

  tellCpu(what: string, before: CpuTimes): void {
    for (const [name, milliseconds] of Object.entries(cpuSince(before, this.system.cpu())))
      this.tell(`${what}: processor time of ${name}`, milliseconds / 1_000, 's');
  }

  /** To people who wait. */
  progress(what: string): void {
    process.stderr.write(`${this.system.options.dpus} DPUs: ${what}\n`);
  }
}

/** Seconds. */
export const since = (started: number): number => (performance.now() - started) / 1_000;
