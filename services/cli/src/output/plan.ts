import type { Plan, PlannedFlow, PlannedPorts } from '../client.js';
import { printable } from '../failure.js';

/** Objects of one DPU that are listed; of the others the number is told. */
const MAX_OBJECTS = 20;
/** Likewise of places of an acceleration session. */
const MAX_PLACES = 10;
/** Likewise of flows. */
const MAX_FLOWS = 20;
/** Likewise of what is left out of a destination. */
const MAX_EXCEPTIONS = 5;

export type PlannedResult = 'created' | 'configured' | 'unchanged';

/** What applying a resource would do, in lines for people. */
export function formatPlan(name: string, result: PlannedResult, plan: Plan): readonly string[] {
  if (result === 'unchanged') return [`${name} would stay unchanged`];
  const lines = [`${name} would be ${result}`];
  for (const { dpu, upserts, deletes, objects = [] } of plan.documents) {
    const shown = new Map(objects.map((object) => [object.key, object]));
    lines.push(`  on ${dpu}: ${upserts.length} objects set, ${deletes.length} removed`);
    for (const key of [...upserts, ...deletes].slice(0, MAX_OBJECTS)) {
      const { before, after } = shown.get(key) ?? {};
      lines.push(`    ${upserts.includes(key) ? 'set' : 'remove'} ${key}`);
      lines.push(...differenceOf(before, after).map((line) => `      ${line}`));
    }
    const rest = upserts.length + deletes.length - MAX_OBJECTS;
    if (rest > 0) lines.push(`    and ${rest} more`);
  }
  if (plan.documents.length === 0) lines.push('  no DPU needs anything for it');
  return [...lines, ...placementLines(plan), ...flowLines(plan)].map(printable);
}

/** The fields in which an object differs from what it was; of a new one all, of one that goes none. */
function differenceOf(before: object | undefined, after: object | undefined): readonly string[] {
  if (!after) return [];
  const former = new Map(fieldsOf(before ?? {}));
  const latter = fieldsOf(after);
  const names = new Set([...former.keys(), ...latter.map(([name]) => name)]);
  const now = new Map(latter);
  return [...names].flatMap((name) => {
    const [was, is] = [former.get(name), now.get(name)];
    if (was === is || name.startsWith('source.')) return [];
    if (was === undefined) return [`${name}: ${is}`];
    return [`${name}: ${was} -> ${is ?? '(none)'}`];
  });
}

/** `endpoint.adminUp`: every value with the path to it. */
function fieldsOf(value: object, path = ''): readonly (readonly [string, string])[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const at = path === '' ? name : `${path}.${name}`;
    if (typeof inner !== 'object' || inner === null) return [[at, String(inner)] as const];
    return fieldsOf(inner, at);
  });
}

function placementLines({ placement }: Plan): readonly string[] {
  if (!placement) return [];
  const { places, placeTotal, refusals, refusalTotal } = placement;
  const fits = places
    .slice(0, MAX_PLACES)
    .map(
      ({ dpu, offload, expectedMegabytesPerSecond }) =>
        `    ${dpu}: ${offload}, about ${expectedMegabytesPerSecond} MB/s beside what is there`,
    );
  const others = refusals.slice(0, MAX_PLACES).map(({ message }) => `    ${message}`);
  return [
    `  it fits on ${placeTotal} ${placeTotal === 1 ? 'DPU' : 'DPUs'}${placeTotal > 0 ? ', the best first' : ''}`,
    ...fits,
    ...(placeTotal > fits.length ? [`    and ${placeTotal - fits.length} more`] : []),
    ...(refusalTotal > 0 ? [`  not on ${refusalTotal}`] : []),
    ...others,
    ...(refusalTotal > others.length ? [`    and ${refusalTotal - others.length} more`] : []),
  ];
}

function flowLines({ flows = [], flowTotal = 0 }: Plan): readonly string[] {
  const lines = flows.slice(0, MAX_FLOWS).map(({ change, family, from, to, services }) => {
    const verb = change === 'BEGINS' ? 'begins to be possible' : 'is possible no more';
    const what = services.map(serviceText).join(', ');
    const where = 'prefix' in to ? regionText(to) : portsText(to);
    return `  ${portsText(from)} to ${where} over IPv${family}: ${what} ${verb}`;
  });
  const rest = flowTotal - lines.length;
  return rest > 0 ? [...lines, `  and ${rest} more flows that begin or stop to be possible`] : lines;
}

function regionText({ prefix, except }: Exclude<PlannedFlow['to'], PlannedPorts>): string {
  if (except.length === 0) return prefix;
  const rest = except.length - MAX_EXCEPTIONS;
  const named = except.slice(0, MAX_EXCEPTIONS).join(' ');
  return `${prefix} except ${named}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function portsText({ network, names, total }: PlannedPorts): string {
  const rest = total - names.length;
  return `${names.map((name) => `port/${name}`).join(' ')}${rest > 0 ? ` and ${rest} more` : ''} (${network})`;
}

function serviceText({ protocol, first, last }: PlannedFlow['services'][number]): string {
  if (protocol === 'OTHER') return 'other protocols';
  if (first === undefined || last === undefined) return protocol;
  if (!protocol.startsWith('ICMP'))
    return first === last ? `${protocol} ${first}` : `${protocol} ${first}-${last}`;
  const [type, lastType] = [first >> 8, last >> 8];
  return type === lastType ? `${protocol} type ${type}` : `${protocol} types ${type}-${lastType}`;
}

/** A resource that needs others of the same call, so that it can be planned only after them. */
export const formatDependent = (name: string, result: PlannedResult, needed: readonly string[]): string =>
  printable(`${name} would be ${result} after ${needed.join(' and ')}; what DPUs need for it is known then`);
