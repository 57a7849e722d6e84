import { systemClock } from '@outboard/core';
import { isReady } from '@outboard/model';
import { Churn, type ChurnStep } from './churn.js';
import { type Fleet, fleetDpu } from './fleet.js';
import type { FleetClient } from './fleet-client.js';
import { type Percentiles, percentilesOf } from './percentiles.js';

/** What a fleet is loaded with. */
export const MIX = ['boot', 'pods', 'policies', 'reboot'] as const;
export type MixPart = (typeof MIX)[number];

export interface MixOptions {
  readonly parts: ReadonlySet<MixPart>;
  /** How long pods and policies come, change and go, and DPUs reboot. */
  readonly seconds: number;
  /** Changes a second: pods that come and go, changes of policies. */
  readonly rate: number;
  /** DPUs that reboot at a time, one after the other. */
  readonly rebooting: number;
  /** Ends the load before its time. */
  readonly signal: AbortSignal;
}

/** Milliseconds, and how many there were; what was not asked for is absent. */
export interface MixSummary {
  /** From the start of the first worker until a DPU is ready, of each. */
  readonly boot?: Percentiles;
  /** From when a pod's port was due to be published until its DPU had applied it. */
  readonly pods?: Percentiles;
  /** From when a change was due to be published until all DPUs that it concerns had applied it. */
  readonly policies?: Percentiles;
  /** From the end of a worker until its DPU is ready again, with nothing left of what it had. */
  readonly reboot?: Percentiles;
  readonly intents: number;
  readonly intentsPerSecond: number;
  /** What was refused, or did not come to pass in ten minutes. */
  readonly failures: readonly string[];
}

/** Told of what goes on. */
export type Tell = (event: string, fields?: Readonly<Record<string, string | number>>) => void;

/** How often progress is told, milliseconds. */
const TOLD_EVERY = 5_000;

/** Starts the workers of a fleet, loads them and what serves them, and leaves nothing of that behind but the DPUs. */
export async function runMix(
  fleet: Fleet,
  client: FleetClient,
  options: MixOptions,
  tell: Tell,
): Promise<MixSummary> {
  const { parts } = options;
  const { signal } = options;
  const boot = await bootStorm(fleet, client, signal, tell);
  const hasChurn = parts.has('pods') || parts.has('policies');
  const rebooting = new AbortController();
  const stop = (): void => rebooting.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const churn = hasChurn && !signal.aborted ? await prepared(client, tell) : undefined;
  const [step, reboots] = await Promise.all([
    loaded(churn, options, tell).finally(stop),
    parts.has('reboot') ? rollingReboot(fleet, client, options.rebooting, rebooting.signal, tell) : [],
  ]);
  if (churn !== undefined) {
    tell('removing', { dpus: client.options.dpus });
    await churn.remove();
  }
  return {
    ...(parts.has('boot') && { boot: percentilesOf(boot) }),
    ...(parts.has('pods') && { pods: percentilesOf(step?.pods ?? []) }),
    ...(parts.has('policies') && { policies: percentilesOf(step?.policies ?? []) }),
    ...(parts.has('reboot') && { reboot: percentilesOf(reboots) }),
    intents: step?.intents ?? 0,
    intentsPerSecond: step?.intentsPerSecond ?? 0,
    failures: step?.failures ?? [],
  };
}

/** All workers start at once; resolves when all DPUs are ready, or when it is to end, with how long each took. */
async function bootStorm(
  fleet: Fleet,
  client: FleetClient,
  signal: AbortSignal,
  tell: Tell,
): Promise<number[]> {
  const { dpus } = client;
  const started = performance.now();
  const times: number[] = [];
  const told = every(TOLD_EVERY, () =>
    tell('booting', { running: fleet.running, ready: times.length, of: dpus.length }),
  );
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    const ready = dpus.map(async (number) => {
      await isBack(fleet, client, number, 1);
      times.push(performance.now() - started);
    });
    await Promise.race([Promise.all([fleet.start(), ...ready]), ended]);
  } finally {
    told[Symbol.dispose]();
  }
  if (!signal.aborted) tell('ready', { dpus: dpus.length });
  return times;
}

async function prepared(client: FleetClient, tell: Tell): Promise<Churn> {
  tell('preparing', { dpus: client.options.dpus });
  const churn = new Churn(client, 'ten');
  await churn.prepare();
  return churn;
}

/** What becomes of pods and policies; without any, so much time passes. */
async function loaded(
  churn: Churn | undefined,
  { parts, rate, seconds, signal }: MixOptions,
  tell: Tell,
): Promise<ChurnStep | undefined> {
  if (churn === undefined) {
    await systemClock.delay(seconds * 1_000, signal);
    return undefined;
  }
  tell('loading', { rate, seconds });
  const told = every(TOLD_EVERY, () => tell('load', churn.progress));
  try {
    return await churn.run(rate, seconds, {
      pods: parts.has('pods'),
      policies: parts.has('policies'),
      signal,
    });
  } finally {
    told[Symbol.dispose]();
  }
}

/** DPUs lose everything and start anew, some at a time, as soon as those before are ready again; how long each took. */
async function rollingReboot(
  fleet: Fleet,
  client: FleetClient,
  atOnce: number,
  signal: AbortSignal,
  tell: Tell,
): Promise<number[]> {
  const { dpus } = client;
  const times: number[] = [];
  for (let next = 0; !signal.aborted; next += atOnce) {
    const numbers = Array.from({ length: Math.min(atOnce, dpus.length) }, (_, index) => {
      return dpus[(next + index) % dpus.length] as number;
    });
    const started = performance.now();
    const boots = numbers.map((number) => fleet.bootsOf(number) + 1);
    const back = numbers.map(async (number, index) => {
      await isBack(fleet, client, number, boots[index] as number);
      times.push(performance.now() - started);
    });
    await Promise.all([fleet.rebootDpus(numbers), ...back]);
    if (times.length % Math.max(atOnce, Math.ceil(dpus.length / 10)) < atOnce)
      tell('rebooted', { dpus: times.length });
  }
  return times;
}

/** Resolves when a DPU is ready that has booted for so many times. */
const isBack = (fleet: Fleet, { state }: FleetClient, number: number, boots: number): Promise<void> =>
  state.until('Dpu', { tenant: '_', name: fleetDpu(number).name }, (dpu) => {
    const { incarnation, conditions = [] } = dpu?.status ?? {};
    return incarnation === fleet.incarnationOf(number, boots) && isReady(conditions);
  });

/** Calls again and again, until it is disposed of. */
function every(milliseconds: number, call: () => void): Disposable {
  const timer = setInterval(call, milliseconds);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
