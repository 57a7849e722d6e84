import { isIPv4 } from 'node:net';
import { roles } from '@outboard/bus';
import { StateCache } from '@outboard/client';
import { AppError, systemClock } from '@outboard/core';
import {
  type CommonConfiguration,
  connectAs,
  type EnvironmentReader,
  type RunningProcess,
  readCommonConfiguration,
  runProcess,
} from '@outboard/service-shell';
import type { Logger } from 'pino';
import { VirtualDpu, type VirtualDpuOptions } from './virtual-dpu.js';
import { wantedPods } from './wanted-pods.js';

const MAX_FUNCTIONS = 128;
const DEFAULT_FUNCTIONS = 16;
const RETRY_MILLISECONDS = 1_000;

interface Configuration extends CommonConfiguration {
  readonly dpu: VirtualDpuOptions;
}

// Names and numbers are checked where the DPU is planned.
const isGiven = (value: string): boolean => value !== '';

const configure = (environment: EnvironmentReader): Configuration => ({
  ...readCommonConfiguration(environment),
  dpu: {
    name: environment.read('OUTBOARD_DPU_NAME', isGiven, 'an RFC 1123 label'),
    serialNumber: environment.read('OUTBOARD_DPU_SERIAL_NUMBER', isGiven, 'a serial number'),
    pfMacAddress: environment.read('OUTBOARD_DPU_PF_MAC_ADDRESS', isGiven, 'a MAC address'),
    functions: environment.integer('OUTBOARD_DPU_FUNCTIONS', 0, MAX_FUNCTIONS, DEFAULT_FUNCTIONS),
    underlayAddress: environment.read(
      'OUTBOARD_UNDERLAY_ADDRESS',
      isIPv4,
      'an IPv4 address of this container',
    ),
  },
});

async function start(configuration: Configuration, log: Logger): Promise<RunningProcess> {
  const dpu = await VirtualDpu.create(configuration.dpu);
  const end = new AbortController();
  const following = followPorts(dpu, configuration, log, end.signal);
  return {
    // The hardware is there without a bus, as it is in a server.
    ready: Promise.resolve({ functions: configuration.dpu.functions }),
    closed: following,
    async [Symbol.asyncDispose]() {
      end.abort();
      await following;
    },
  };
}

/** Keeps the pods as the ports on the bus say, until the signal. */
async function followPorts(
  dpu: VirtualDpu,
  configuration: Configuration,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const waiting = (why: AppError): void => log.warn({ reason: why.message }, 'no ports yet');
  const bus = await eventually(
    () => connectAs(roles.host(configuration.dpu.name), { ...configuration, waiting }),
    log,
    signal,
  );
  // The services make the streams, when they are started for the first time.
  const ports = bus && (await eventually(() => StateCache.open(bus), log, signal));
  let changed = new AbortController();
  ports?.onChange(() => changed.abort());
  signal.addEventListener('abort', () => changed.abort());
  while (ports !== undefined && !signal.aborted) {
    changed = new AbortController();
    const wanted = wantedPods(configuration.dpu.name, ports.values(), dpu.pods);
    const retry = await dpu.setPods(wanted).catch((failure) => {
      log.error({ err: AppError.from(failure) }, 'a pod is not as it should be');
      return systemClock.schedule(RETRY_MILLISECONDS, () => changed.abort());
    });
    await aborted(changed.signal);
    retry?.[Symbol.dispose]();
  }
  await ports?.[Symbol.asyncDispose]();
  await bus?.[Symbol.asyncDispose]();
}

/** The first success, or undefined when the signal comes before it. */
async function eventually<Value>(
  action: () => Promise<Value>,
  log: Logger,
  signal: AbortSignal,
): Promise<Value | undefined> {
  while (!signal.aborted) {
    try {
      return await action();
    } catch (failure) {
      log.warn({ reason: AppError.from(failure).message }, 'no ports yet');
      await systemClock.delay(RETRY_MILLISECONDS, signal);
    }
  }
  return undefined;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

await runProcess({ service: 'virtual-dpu', configure, logBase: ({ dpu }) => ({ dpu: dpu.name }), start });
