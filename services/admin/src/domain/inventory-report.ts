import type { DiscoveredFunction, FunctionsChange, InventoryReport } from '@outboard/contracts';
import { type AppError, err, ok, Problems, type Result } from '@outboard/core';
import {
  type Accelerator,
  ATTACHMENTS,
  type Capability,
  type DpuCapacity,
  type DpuUplink,
  FLAVOURS,
  type FunctionStatus,
  type HostName,
  type MacAddress,
  type Name,
  type Parser,
  parseHostName,
  parseIpAddress,
  parseMacAddress,
  parseName,
  parseSerialNumber,
  type Representor,
  type SerialNumber,
  type Underlay,
} from '@outboard/model';
import { parseAccelerator } from './accelerator-report.js';

/** What a worker says about its DPU, parsed. */
export interface InventoryFacts {
  readonly incarnation: string;
  readonly serialNumber: SerialNumber;
  readonly host: HostName | undefined;
  readonly workerVersion: string;
  readonly kernelRelease: string;
  readonly architecture: string;
  readonly driver: string;
  readonly capabilities: readonly Capability[];
  readonly underlay: Underlay | undefined;
  readonly accelerator: Accelerator | undefined;
  readonly capacity: DpuCapacity | undefined;
  readonly functions: readonly FunctionFacts[];
  readonly uplinks: readonly DpuUplink[];
}

/** A function as it was discovered. */
export interface FunctionFacts
  extends Pick<
    FunctionStatus,
    'controller' | 'pfNumber' | 'vfNumber' | 'sfNumber' | 'external' | 'hwAddress' | 'state' | 'opState'
  > {
  /** `<dpu>-[c<controller>]pf<N>[vf<M>][sf<M>]`, after the kernel's representor names. */
  readonly name: Name;
  readonly pfMacAddress: MacAddress;
  readonly flavour: NonNullable<FunctionStatus['flavour']>;
  readonly attachment: NonNullable<FunctionStatus['attachment']>;
  readonly representor: Representor;
}

/** How the functions of a DPU have changed since the last report. */
export interface FunctionChanges {
  /** That have come, or are otherwise than they were. */
  readonly changed: readonly FunctionFacts[];
  /** Names of those that are there no more. */
  readonly gone: readonly Name[];
}

/** Functions of one DPU: as many as one commit can take with their rows, states and events. */
export const MAX_FUNCTIONS = 2048;
const MAX_CAPABILITIES = 64;
const MAX_UPLINKS = 64;
/** Characters of texts, and of short ones. All of a DPU together fits into a message several times. */
const MAX_TEXT = 256;
const MAX_SHORT_TEXT = 64;
/** Longest netdev name: IFNAMSIZ of linux/if.h less the terminating zero. */
const MAX_NETDEV = 15;

/** A worker's report as facts, or every problem that it has. */
export function parseInventoryReport(dpu: Name, report: InventoryReport): Result<InventoryFacts, AppError> {
  const problems = new Problems();
  const read = reader(problems);
  const { underlay } = report;
  if (report.functions.length > MAX_FUNCTIONS) problems.add('functions', `must be at most ${MAX_FUNCTIONS}`);
  if (report.capabilities.length > MAX_CAPABILITIES)
    problems.add('capabilities', `must be at most ${MAX_CAPABILITIES}`);
  const facts = {
    incarnation: text(problems, 'incarnation', report.incarnation),
    serialNumber: read('serialNumber', report.serialNumber, parseSerialNumber),
    host: report.host === '' ? undefined : read('host', report.host, parseHostName),
    workerVersion: text(problems, 'workerVersion', report.workerVersion),
    kernelRelease: text(problems, 'kernelRelease', report.kernelRelease),
    architecture: text(problems, 'architecture', report.architecture),
    driver: text(problems, 'driver', report.driver),
    capabilities: report.capabilities
      .slice(0, MAX_CAPABILITIES)
      .map(({ name, available, reason }, index) => ({
        name: text(problems, `capabilities[${index}].name`, name, 1, MAX_SHORT_TEXT),
        available,
        reason: text(problems, `capabilities[${index}].reason`, reason, 0),
      })),
    underlay: underlay && {
      device: text(problems, 'underlay.device', underlay.device, 1, MAX_NETDEV),
      address: read('underlay.address', underlay.address, parseIpAddress),
      mtu: underlay.mtu,
    },
    capacity:
      report.cpuMillicores > 0 && report.memoryMebibytes > 0
        ? { cpuMillicores: report.cpuMillicores, memoryMebibytes: report.memoryMebibytes }
        : undefined,
    accelerator: report.acceleration && parseAccelerator(report.acceleration, problems),
    uplinks: parseUplinks(report.uplinks, problems),
    functions: report.functions
      .slice(0, MAX_FUNCTIONS)
      .map((each, index) => parseFunction(dpu, each, `functions[${index}]`, problems)),
  };
  checkDistinct(
    facts.functions.map(({ name }, index) => [`functions[${index}]`, name] as const),
    problems,
  );
  // Every value that is missing has left a problem.
  return problems.total > 0 ? err(problems.toError()) : ok(facts as InventoryFacts);
}

/** How the functions of a DPU have changed, or every problem that a worker's report of it has. */
export function parseFunctionsChange(
  dpu: Name,
  { changed, gone }: FunctionsChange,
): Result<FunctionChanges, AppError> {
  const problems = new Problems();
  for (const [field, { length }] of Object.entries({ changed, gone }))
    if (length > MAX_FUNCTIONS) problems.add(`change.${field}`, `must be at most ${MAX_FUNCTIONS}`);
  const changes = {
    changed: changed
      .slice(0, MAX_FUNCTIONS)
      .map((each, index) => parseFunction(dpu, each, `change.changed[${index}]`, problems)),
    gone: gone
      .slice(0, MAX_FUNCTIONS)
      .map((each, index) => parseFunctionName(dpu, each, `change.gone[${index}]`, problems)),
  };
  const all = [
    ...changes.changed.map(({ name }, index) => [`change.changed[${index}]`, name] as const),
    ...changes.gone.map((name, index) => [`change.gone[${index}]`, name] as const),
  ];
  checkDistinct(all, problems);
  return problems.total > 0 ? err(problems.toError()) : ok(changes as FunctionChanges);
}

function parseUplinks(uplinks: InventoryReport['uplinks'], problems: Problems): DpuUplink[] {
  if (uplinks.length > MAX_UPLINKS) problems.add('uplinks', `must be at most ${MAX_UPLINKS}`);
  return uplinks.slice(0, MAX_UPLINKS).map((uplink, index) => {
    const path = `uplinks[${index}]`;
    const { mtu, up, carrier, speedMbps } = uplink;
    return {
      device: text(problems, `${path}.device`, uplink.device, 1, MAX_NETDEV),
      macAddress: text(problems, `${path}.macAddress`, uplink.macAddress, 0, MAX_SHORT_TEXT),
      mtu,
      adminState: up ? 'UP' : 'DOWN',
      carrier,
      speedMbps,
      driver: text(problems, `${path}.driver`, uplink.driver, 0, MAX_SHORT_TEXT),
      firmwareVersion: text(problems, `${path}.firmwareVersion`, uplink.firmwareVersion, 0, MAX_SHORT_TEXT),
    };
  });
}

function parseFunction(
  dpu: Name,
  found: DiscoveredFunction,
  path: string,
  problems: Problems,
): Partial<FunctionFacts> {
  const read = reader(problems);
  const { controller, pfNumber, vfNumber, sfNumber, netdev, physPortName, switchId } = found;
  return {
    name: parseFunctionName(dpu, found, path, problems),
    flavour: read(`${path}.flavour`, found.flavour, oneOf(FLAVOURS)),
    controller,
    pfNumber,
    vfNumber,
    sfNumber,
    external: found.external,
    pfMacAddress: read(`${path}.pfMacAddress`, found.pfMacAddress, parseMacAddress),
    hwAddress:
      found.hwAddress === '' ? undefined : read(`${path}.hwAddress`, found.hwAddress, parseMacAddress),
    state: found.active ? 'ACTIVE' : 'INACTIVE',
    opState: found.attached ? 'ATTACHED' : 'DETACHED',
    representor: {
      netdev: text(problems, `${path}.netdev`, netdev, 1, MAX_NETDEV),
      physPortName: text(problems, `${path}.physPortName`, physPortName, 0, MAX_SHORT_TEXT),
      switchId: text(problems, `${path}.switchId`, switchId, 0, MAX_SHORT_TEXT),
    },
    attachment: read(`${path}.attachment`, found.attachment, oneOf(ATTACHMENTS)),
  } as Partial<FunctionFacts>;
}

function parseFunctionName(
  dpu: Name,
  numbers: FunctionNumbers,
  path: string,
  problems: Problems,
): Name | undefined {
  return reader(problems)(path, functionName(dpu, numbers), (name) => {
    const parsed = parseName(name);
    return parsed.ok ? parsed : err(`would be named ${name}, which ${parsed.error}`);
  });
}

type FunctionNumbers = Pick<DiscoveredFunction, 'controller' | 'pfNumber' | 'vfNumber' | 'sfNumber'>;

function functionName(dpu: Name, { controller, pfNumber, vfNumber, sfNumber }: FunctionNumbers): string {
  const onController = controller === 0 ? '' : `c${controller}`;
  const virtual = vfNumber === undefined ? '' : `vf${vfNumber}`;
  const sub = sfNumber === undefined ? '' : `sf${sfNumber}`;
  return `${dpu}-${onController}pf${pfNumber}${virtual}${sub}`;
}

/** Two of one name would be one function that changes with every look at it. */
function checkDistinct(
  functions: readonly (readonly [string, Name | undefined])[],
  problems: Problems,
): void {
  const first = new Map<Name, string>();
  for (const [path, name] of functions) {
    if (name === undefined) continue;
    const other = first.get(name);
    if (other === undefined) first.set(name, path);
    else problems.add(path, `must not have the numbers of ${other}`);
  }
}

const reader =
  (problems: Problems) =>
  <Input, Value>(field: string, input: Input, parse: Parser<Input, Value>): Value | undefined => {
    const parsed = parse(input);
    if (parsed.ok) return parsed.value;
    problems.add(field, parsed.error);
    return undefined;
  };

const oneOf =
  <Value extends string>(values: readonly Value[]): Parser<string, Value> =>
  (input) => {
    const value = values.find((candidate) => candidate === input);
    return value === undefined ? err(`must be one of ${values.join(', ')}`) : ok(value);
  };

function text(problems: Problems, field: string, value: string, minimum = 1, maximum = MAX_TEXT): string {
  if (value.length < minimum || value.length > maximum) {
    problems.add(field, `must be ${minimum}-${maximum} characters`);
  }
  return value;
}
