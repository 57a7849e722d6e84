import {
  AccelerationFault_Kind,
  AccelerationStatisticsResponseSchema,
  AccelerationStep_Operation,
  encodeJson,
  isLabel,
  LABEL_RULE,
} from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { AccelerationOperator } from '../acceleration-operator.js';
import { usageError } from '../failure.js';
import { formatFaults, formatStatistics, type Statistics } from '../output/acceleration.js';
import { writeJson, writeYaml } from '../output/documents.js';
import type { Session } from '../session.js';
import { parseDuration } from '../settings.js';
import type { BenchOptions } from './acceleration-bench.js';

export interface AccelerationOptions extends BenchOptions {
  readonly dpu?: string;
  readonly every?: string;
  readonly rounds?: string;
  readonly operation?: string;
  readonly algorithm?: string;
  readonly module?: string;
  readonly count?: string;
  readonly interval?: string;
  readonly delay?: string;
}

const MAX_ROUNDS = 1_000_000;
const DEFAULT_EVERY = '2s';

type Verb = (session: Session, args: readonly string[], options: AccelerationOptions) => Promise<void>;

const stats: Verb = async (session, args, options) => {
  noMore(args);
  const operator = await operatorOf(session, options);
  const { terminal } = session;
  const statistics = unwrap(await operator.statistics());
  if (options.output === 'json') return writeJson(terminal, plain(statistics));
  if (options.output === 'yaml') return writeYaml(terminal, [plain(statistics)]);
  return terminal.write(`${formatStatistics(statistics).join('\n')}\n`);
};

const top: Verb = async (session, args, options) => {
  noMore(args);
  if (options.output !== undefined && options.output !== 'table')
    throw usageError('--output', 'top shows tables; stats has json and yaml');
  const every = parseDuration(options.every ?? DEFAULT_EVERY);
  const rounds =
    options.rounds === undefined ? Number.POSITIVE_INFINITY : numberOf('--rounds', options.rounds);
  const operator = await operatorOf(session, options);
  const { clock, signal, terminal } = session;
  let before = unwrap(await operator.statistics());
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    await clock.delay(every, signal);
    if (signal.aborted) return;
    const now = unwrap(await operator.statistics());
    await terminal.write(`${round === 0 ? '' : '\n'}${formatStatistics(now, before).join('\n')}\n`);
    before = now;
  }
};

const inject: Verb = async (session, [kind = '', ...rest], options) => {
  noMore(rest);
  const number = (name: 'count' | 'interval', absent: number): number =>
    options[name] === undefined ? absent : numberOf(`--${name}`, options[name]);
  const fault = {
    kind: choice('KIND', AccelerationFault_Kind, kind),
    operation: choice('--operation', AccelerationStep_Operation, options.operation ?? ''),
    algorithm: (options.algorithm ?? '').toUpperCase(),
    module: options.module ?? '',
    count: number('count', 0),
    interval: number('interval', 1),
    delayMilliseconds: options.delay === undefined ? 0 : parseDuration(options.delay),
  };
  const operator = await operatorOf(session, options);
  await tellFaults(session, unwrap(await operator.faults({ case: 'inject', value: fault })));
};

const clear: Verb = async (session, [id = '', ...rest], options) => {
  noMore(rest);
  const operator = await operatorOf(session, options);
  await tellFaults(session, unwrap(await operator.faults({ case: 'clear', value: { id } })));
};

const bench: Verb = async (session, args, options) =>
  (await import('./acceleration-bench.js')).bench(session, args, options);

const token: Verb = async (session, [name = '', ...rest]) => {
  noMore(rest);
  if (!isLabel(name)) throw usageError('NAME', LABEL_RULE);
  const { tenant } = session.settings;
  if (tenant === undefined) throw usageError('--tenant', 'is required: whose session?');
  const client = await session.connect();
  await session.terminal.write(`${unwrap(await client.token(tenant, name))}\n`);
};

const VERBS: ReadonlyMap<string, Verb> = new Map(Object.entries({ stats, top, inject, clear, bench, token }));

/** What the accelerator of a DPU does, what goes wrong in it on purpose, and what it is worth. */
export const acceleration: Verb = async (session, [verb = '', ...args], options) => {
  const run = VERBS.get(verb);
  if (!run) throw usageError('VERB', `must be ${[...VERBS.keys()].join(', ')}, not ${JSON.stringify(verb)}`);
  await run(session, args, options);
};

async function operatorOf(session: Session, { dpu }: AccelerationOptions): Promise<AccelerationOperator> {
  if (dpu === undefined) throw usageError('--dpu', 'is required: which DPU?');
  if (!isLabel(dpu)) throw usageError('--dpu', LABEL_RULE);
  const { bus } = await session.connect();
  return new AccelerationOperator(bus, dpu, session.settings.timeoutMilliseconds);
}

function noMore(args: readonly string[]): void {
  if (args.length > 0) throw usageError('ARGUMENT', `${JSON.stringify(args[0])} is one too many`);
}

const plain = (statistics: Statistics): object =>
  JSON.parse(encodeJson(AccelerationStatisticsResponseSchema, statistics)) as object;

const tellFaults = ({ terminal }: Session, faults: Parameters<typeof formatFaults>[0]): Promise<void> =>
  terminal.write(`${formatFaults(faults).join('\n')}\n`);

/** The number of a name of an enumeration of protobuf. */
function choice<Number extends number>(
  field: string,
  values: Readonly<Record<string, Number | string>>,
  text: string,
): Number {
  const names = Object.keys(values).filter((name) => !/^\d+$|^UNSPECIFIED$/.test(name));
  const value = names.includes(text.toUpperCase()) ? values[text.toUpperCase()] : undefined;
  if (typeof value === 'number') return value;
  throw usageError(field, `must be ${names.join(', ')}, not ${JSON.stringify(text)}`);
}

function numberOf(field: string, text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text) && Number(text) <= MAX_ROUNDS) return Number(text);
  throw usageError(field, `must be a number from 1 to ${MAX_ROUNDS}, not ${JSON.stringify(text)}`);
}
