import {
  type ConditionUpdateOf,
  type Dpu,
  type DpuCapacity,
  isAdmitted,
  isConnected,
  isSchedulable,
  keepsWorkloads,
  type Name,
  selectsLabels,
  type Workload,
  type WorkloadPort,
} from '@outboard/model';
import type { PortFacts, WorkloadPorts } from './port-facts.js';

export type Planned = Extract<ConditionUpdateOf<'Workload'>, { type: 'Planned' }>;

/** Where a workload is to run, with which ports. */
export interface Placement {
  readonly dpu: Name | undefined;
  /** Has to run it before `dpu` may stop it. */
  readonly movingTo: Name | undefined;
  readonly ports: readonly WorkloadPort[];
  /** `Placed` alone means that everything is there. */
  readonly planned: Planned;
}

export interface PlaceInput {
  readonly dpus: Iterable<Dpu>;
  readonly ports: Pick<WorkloadPorts, 'get'>;
  /** What others on a DPU were promised. */
  used(dpu: Name): DpuCapacity;
  /** Another workload that has a port already. */
  holderOf(port: string): string | undefined;
}

const planned = (reason: Planned['reason'], message: string): Planned => ({
  type: 'Planned',
  reason,
  message,
});

/** Decides where a workload runs. One that has a place keeps it as long as it may be there, whatever else there is. */
export function place(workload: Workload, input: PlaceInput): Placement {
  const { spec, status } = workload;
  const named = [...input.dpus].filter((dpu) => isAdmitted(dpu) && mayRunOn(spec, dpu));
  if (named.length === 0) {
    const what = spec.dpu === undefined ? 'no DPU has these labels' : `there is no dpu ${spec.dpu}`;
    return { dpu: undefined, movingTo: undefined, ports: [], planned: planned('DpuUnknown', what) };
  }
  const ports = portsOf(workload, input);
  const current = named.find(({ metadata }) => metadata.name === status.dpu);
  const { at: chosen, movingTo } =
    current === undefined
      ? { at: choose(workload, named, ports, input) }
      : destination(workload, current, named, ports, input);
  if (!isDpu(chosen)) return { dpu: undefined, movingTo: undefined, ports: [], planned: chosen };
  const dpu = chosen.metadata.name;
  const problem = ports.missing ?? ports.known.find(({ facts }) => facts.dpu !== dpu)?.elsewhere(dpu);
  const where = movingTo === undefined ? `on ${dpu}` : `on ${dpu}, moving to ${movingTo}`;
  return {
    dpu,
    movingTo,
    ports: problem === undefined ? ports.known.map(({ given }) => given) : [],
    planned: problem === undefined ? planned('Placed', where) : planned('PortsMissing', problem),
  };
}

interface Destination {
  readonly at: Dpu | Planned;
  readonly movingTo?: Name | undefined;
}

/** Where one goes that has a place: it stays, follows its ports, or leaves a DPU that is drained. */
function destination(
  workload: Workload,
  current: Dpu,
  named: readonly Dpu[],
  ports: FoundPorts,
  input: PlaceInput,
): Destination {
  const { name } = current.metadata;
  const isElsewhere = ports.known.some(({ facts }) => facts.dpu !== name);
  if (ports.missing === undefined && isElsewhere) {
    const home = ports.known[0]?.facts.dpu;
    const isTogether = ports.known.every(({ facts }) => facts.dpu === home);
    const there = named.filter(({ metadata }) => isTogether && metadata.name === home);
    const following = choose(workload, there, ports, input);
    if (isDpu(following)) return { at: following };
  }
  if (isSchedulable(current) || isFinished(workload)) return { at: current };
  const onItsWay = named.find(
    (dpu) => dpu.metadata.name === workload.status.movingTo && isSchedulable(dpu) && isConnected(dpu),
  );
  // One without its ports does not run, so that nothing of it has to be moved.
  if (ports.missing !== undefined || isElsewhere || !keepsWorkloads(current))
    return { at: onItsWay ?? choose(workload, named, ports, input) };
  // A port is in one place at a time, and belongs to somebody else; a job would begin anew.
  if (!isMovable(workload)) return { at: current };
  const next = onItsWay ?? choose(workload, named, ports, input);
  return { at: current, movingTo: isDpu(next) ? next.metadata.name : undefined };
}

/** A job that has ended: nothing of it runs, and nowhere is it to run again. */
export const isFinished = ({ spec, status }: Workload): boolean =>
  spec.restartPolicy !== 'ALWAYS' && (status.state === 'SUCCEEDED' || status.state === 'FAILED');

/** It may be started on another DPU while it still runs on its own. */
const isMovable = ({ spec }: Workload): boolean =>
  spec.restartPolicy === 'ALWAYS' && spec.interfaces.length === 0;

/** One that a drain waits for, and why that is not over: `workload acme/fw (pinned to it)`. */
export function lingeringText({ metadata, spec, status }: Workload): string {
  const why =
    status.movingTo !== undefined
      ? `moving to ${status.movingTo}`
      : spec.dpu !== undefined
        ? 'pinned to it'
        : spec.interfaces.length > 0
          ? 'has its ports there'
          : spec.restartPolicy !== 'ALWAYS'
            ? 'runs to its end'
            : 'no other DPU takes it';
  return `workload ${metadata.tenant}/${metadata.name} (${why})`;
}

const isDpu = (chosen: Dpu | Planned): chosen is Dpu => 'kind' in chosen;

const mayRunOn = ({ dpu, dpuSelector }: Workload['spec'], { metadata }: Dpu): boolean =>
  dpu !== undefined
    ? dpu === metadata.name
    : dpuSelector === undefined || selectsLabels(dpuSelector, metadata.labels);

/** Of the DPUs with room the one with most memory free; or why there is none. */
function choose(
  { spec }: Workload,
  candidates: readonly Dpu[],
  ports: FoundPorts,
  { used }: PlaceInput,
): Dpu | Planned {
  const available = candidates.filter((dpu) => isSchedulable(dpu) && isConnected(dpu));
  if (available.length === 0) {
    const names = candidates.slice(0, 5).map(({ metadata }) => metadata.name);
    return planned('DpuUnavailable', `not connected, or taken out of service: ${names.join(', ')}`);
  }
  const { cpuMillicores, memoryMebibytes } = spec.resources;
  const free = available.map((dpu) => {
    const { capacity } = dpu.status;
    const taken = used(dpu.metadata.name);
    return {
      dpu,
      cpu: (capacity?.cpuMillicores ?? Number.POSITIVE_INFINITY) - taken.cpuMillicores,
      memory: (capacity?.memoryMebibytes ?? Number.POSITIVE_INFINITY) - taken.memoryMebibytes,
    };
  });
  const fitting = free.filter(({ cpu, memory }) => cpu >= cpuMillicores && memory >= memoryMebibytes);
  if (fitting.length === 0) {
    const numbers = free
      .slice(0, 5)
      .map(({ dpu, cpu, memory }) => `${dpu.metadata.name} has ${cpu} and ${memory}`);
    const needs = `it needs ${cpuMillicores} millicores and ${memoryMebibytes} MiB`;
    return planned('InsufficientResources', `${needs}; free are: ${numbers.join('; ')}`);
  }
  // Where its ports are, if they are anywhere.
  const at = ports.known.find(({ facts }) => facts.dpu !== undefined)?.facts.dpu;
  const there = fitting.filter(({ dpu }) => at === undefined || dpu.metadata.name === at);
  const best = (there.length > 0 ? there : fitting).reduce((one, other) =>
    other.memory > one.memory ? other : one,
  );
  return best.dpu;
}

interface FoundPorts {
  readonly known: readonly {
    readonly facts: PortFacts;
    readonly given: WorkloadPort;
    elsewhere(dpu: Name): string;
  }[];
  /** Why not all of them are there. */
  readonly missing: string | undefined;
}

function portsOf({ metadata, spec, status }: Workload, { ports, holderOf }: PlaceInput): FoundPorts {
  const known: FoundPorts['known'][number][] = [];
  let missing: string | undefined;
  const routed = { v4: false, v6: false };
  const isChosen = spec.interfaces.some(({ defaultRoute }) => defaultRoute === true);
  for (const { name, port, defaultRoute } of spec.interfaces) {
    const found = ports.get(metadata.tenant, port);
    const former = status.ports.find((each) => each.port === port && each.interface === name);
    const facts =
      found === undefined || (found !== 'gone' && found.dpu === undefined)
        ? formerFacts(former, status.dpu)
        : found;
    const holder = holderOf(port);
    if (holder !== undefined) missing ??= `port ${port} belongs to workload ${holder}`;
    else if (facts === undefined || facts === 'gone')
      missing ??= `port ${port} does not exist, or has no function of a DPU for itself (spec.function.sfNumber) that is there`;
    if (facts === undefined || facts === 'gone') continue;
    const leads = isChosen ? defaultRoute === true : defaultRoute !== false;
    const gateways = leads ? facts.gateways.filter((gateway) => isFirst(routed, gateway)) : [];
    known.push({
      facts,
      given: {
        interface: name,
        port,
        portUid: facts.uid,
        representor: facts.representor,
        macAddress: facts.macAddress,
        mtu: facts.mtu,
        addresses: facts.addresses,
        gateways,
      },
      elsewhere: (dpu) => `port ${port} is on ${facts.dpu ?? 'no dpu'}, not on ${dpu}`,
    });
  }
  return { known, missing };
}

/** One default route of each family. */
function isFirst(routed: { v4: boolean; v6: boolean }, gateway: string): boolean {
  const family = gateway.includes(':') ? 'v6' : 'v4';
  if (routed[family]) return false;
  routed[family] = true;
  return true;
}

/** What was given before holds while nothing else is known: ports are told some time after a start. */
function formerFacts(former: WorkloadPort | undefined, dpu: string | undefined): PortFacts | undefined {
  if (former === undefined) return undefined;
  const { portUid, representor, macAddress, mtu, addresses, gateways } = former;
  return { uid: portUid, dpu, representor, macAddress, mtu, addresses, gateways };
}
