import type { InventoryReport } from '@outboard/contracts';
import { type AppError, err, ok, Problems, type Result } from '@outboard/core';
import {
  ATTACHMENTS,
  FLAVOURS,
  type Parser,
  parseHostName,
  parseIpAddress,
  parseMacAddress,
  parseSerialNumber,
} from '@outboard/model';
import type { FunctionFacts, InventoryFacts } from './inventory.js';

/** Functions of one DPU. */
const MAX_FUNCTIONS = 4096;
const MAX_CAPABILITIES = 256;
const MAX_TEXT = 256;
/** Longest netdev name: IFNAMSIZ of linux/if.h less the terminating zero. */
const MAX_NETDEV = 15;

/** A worker's report as facts, or every problem that it has. */
export function parseInventoryReport(report: InventoryReport): Result<InventoryFacts, AppError> {
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
      .map(({ name, available, reason }) => ({ name, available, reason })),
    underlay: underlay && {
      device: text(problems, 'underlay.device', underlay.device),
      address: read('underlay.address', underlay.address, parseIpAddress),
      mtu: underlay.mtu,
    },
    functions: report.functions
      .slice(0, MAX_FUNCTIONS)
      .map((each, index) => parseFunction(each, `functions[${index}]`, problems)),
  };
  // Every value that is missing has left a problem.
  return problems.total > 0 ? err(problems.toError()) : ok(facts as InventoryFacts);
}

function parseFunction(
  found: InventoryReport['functions'][number],
  path: string,
  problems: Problems,
): Partial<FunctionFacts> {
  const read = reader(problems);
  const { netdev, physPortName, switchId } = found;
  if (netdev === '' || netdev.length > MAX_NETDEV) {
    problems.add(`${path}.netdev`, `must be 1-${MAX_NETDEV} characters`);
  }
  return {
    flavour: read(`${path}.flavour`, found.flavour, oneOf(FLAVOURS)),
    controller: found.controller,
    pfNumber: found.pfNumber,
    vfNumber: found.vfNumber,
    sfNumber: found.sfNumber,
    external: found.external,
    pfMacAddress: read(`${path}.pfMacAddress`, found.pfMacAddress, parseMacAddress),
    hwAddress:
      found.hwAddress === '' ? undefined : read(`${path}.hwAddress`, found.hwAddress, parseMacAddress),
    state: found.active ? 'ACTIVE' : 'INACTIVE',
    opState: found.attached ? 'ATTACHED' : 'DETACHED',
    representor: { netdev, physPortName, switchId },
    attachment: read(`${path}.attachment`, found.attachment, oneOf(ATTACHMENTS)),
  } as Partial<FunctionFacts>;
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
    const value = values.find((each) => each === input);
    return value === undefined ? err(`must be one of ${values.join(', ')}`) : ok(value);
  };

function text(problems: Problems, field: string, value: string): string {
  if (value === '' || value.length > MAX_TEXT) problems.add(field, `must be 1-${MAX_TEXT} characters`);
  return value;
}
