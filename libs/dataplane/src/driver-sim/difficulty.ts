import { type AppError, err, ok, Problems, type Random, type Result } from '@outboard/core';
import type { Driver, OperationResult } from '../driver.js';
import { faultyDriver } from '../driver-memory/faulty-driver.js';
import { type FieldName, isFieldName } from '../driver-ovs/openflow/fields.js';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import { type LatencyShape, parseLatency } from './latency.js';
import type { HardwareShape, HardwareTable } from './switch/hardware.js';

/** How often operations go wrong, of all: 0 to 1. */
export interface FaultShape {
  /** They fail, and say so. */
  readonly failing: number;
  /** They say that they are done, and are not. */
  readonly lying: number;
}

/** What makes a simulated switch hard to work with; what is absent does not. */
export interface SwitchDifficulty {
  /** How long it takes for everything. */
  readonly latency?: LatencyShape | undefined;
  /** Tables of hardware; absent: all is software. */
  readonly hardware?: HardwareShape | undefined;
  /** Flows that each table has room for; absent: any number. */
  readonly tableEntries?: number | undefined;
  /** How often operations go wrong; absent: never. */
  readonly faults?: FaultShape | undefined;
}

/** The options of a command line that ask for it, as Node's `parseArgs` takes them. */
export const DIFFICULTY_OPTIONS = {
  latency: { type: 'string' },
  'table-entries': { type: 'string' },
  hardware: { type: 'string' },
  faults: { type: 'string' },
} as const;
type DifficultyOption = keyof typeof DIFFICULTY_OPTIONS;

const MAX_TABLE = 254;
/** Of a table of a simulated switch, as far as somebody says how many. */
export const MAX_TABLE_ENTRIES = 1_000_000;
const FAULTS = ['failing', 'lying'] as const;
const FAILURE: OperationResult = {
  kind: 'failed',
  error: { code: 'EIO', message: 'the simulated switch fails, as it was asked to' },
};

/**
 * Tables of hardware from `0=64:in_port,10=1000`: numbers of tables with their entries, and with the only fields that they look at,
 * joined by `+`, if not with all. INVALID_ARGUMENT with every problem.
 */
export function parseHardware(text: string): Result<HardwareShape, AppError> {
  const problems = new Problems();
  const tables = new Map<number, HardwareTable>();
  for (const part of text.split(',')) {
    const [, table = '', entries = '', names] = /^(\d+)=(\d+)(?::([\w+]+))?$/.exec(part) ?? [];
    const fields = names?.split('+') ?? [];
    const unknown = fields.filter((name) => !isFieldName(name));
    if (table === '') problems.add(part, 'must be <table>=<entries>, or <table>=<entries>:<field>+<field>');
    else if (Number(table) > MAX_TABLE) problems.add(part, `must be of a table of 0 to ${MAX_TABLE}`);
    else if (Number(entries) > MAX_TABLE_ENTRIES)
      problems.add(part, `must have 0 to ${MAX_TABLE_ENTRIES} entries`);
    else if (unknown.length > 0)
      problems.add(part, `must have fields of ovs-fields(7), not ${unknown.join(', ')}`);
    else if (tables.has(Number(table))) problems.add(part, 'must be there once');
    else
      tables.set(Number(table), {
        entries: Number(entries),
        ...(names !== undefined && { fields: fields as FieldName[] }),
      });
  }
  return problems.total > 0 ? err(problems.toError()) : ok(Object.fromEntries(tables));
}

/** From `failing=0.05,lying=0.01`; what is not named does not happen. INVALID_ARGUMENT with every problem. */
export function parseFaults(text: string): Result<FaultShape, AppError> {
  const problems = new Problems();
  const named = new Map<string, number>();
  for (const part of text.split(',')) {
    const [name = '', value = '', ...rest] = part.split('=');
    const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!FAULTS.some((each) => each === name)) problems.add(name, `must be ${FAULTS.join(' or ')}`);
    else if (rest.length > 0 || !(number >= 0 && number <= 1))
      problems.add(name, `must be a number of 0 to 1, not ${part.slice(name.length + 1)}`);
    else if (named.has(name)) problems.add(name, 'must be there once');
    else named.set(name, number);
  }
  if (problems.total > 0) return err(problems.toError());
  return ok({ failing: named.get('failing') ?? 0, lying: named.get('lying') ?? 0 });
}

/** From the texts of such options, as far as they are given. INVALID_ARGUMENT with every problem, by its option. */
export function parseDifficulty(
  texts: Readonly<Partial<Record<DifficultyOption, string | undefined>>>,
): Result<SwitchDifficulty, AppError> {
  const problems = new Problems();
  const read = <Shape>(option: DifficultyOption, parse: (text: string) => Result<Shape, AppError>) => {
    const text = texts[option];
    const parsed = text === undefined ? undefined : parse(text);
    if (parsed === undefined || parsed.ok) return parsed?.value;
    for (const { field, description } of parsed.error.violations)
      problems.add(`${option}: ${field}`, description);
    return undefined;
  };
  const difficulty = {
    latency: read('latency', parseLatency),
    tableEntries: tableEntriesOf(texts['table-entries'], problems),
    hardware: read('hardware', parseHardware),
    faults: read('faults', parseFaults),
  };
  return problems.total > 0 ? err(problems.toError()) : ok(difficulty);
}

function tableEntriesOf(text: string | undefined, problems: Problems): number | undefined {
  if (text === undefined) return undefined;
  const entries = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(entries >= 1 && entries <= MAX_TABLE_ENTRIES))
    problems.add('table-entries', `must be 1-${MAX_TABLE_ENTRIES}, not ${text}`);
  return entries;
}

/** A driver of which operations go wrong by chance, at every one of them; absent `faults`: the driver as it is. */
export function driverWithFaults(
  driver: Driver<OvsSpec>,
  faults: FaultShape | undefined,
  random: Random,
): Driver<OvsSpec> {
  if (faults === undefined) return driver;
  const faulty = faultyDriver(driver);
  faulty.setFault(() => {
    const chance = random.fraction();
    if (chance < faults.failing) return FAILURE;
    return chance < faults.failing + faults.lying ? { kind: 'done' } : undefined;
  });
  return faulty;
}
