import type { ConfigurationReport, InterfaceDescription, WorkloadReport } from '@outboard/contracts';
import {
  formatTime,
  type PublishedInterface,
  TERMINATION_REASONS,
  WORKLOAD_STATES,
  type WorkloadStatus,
} from '@outboard/model';

const MAX_INTERFACES = 16;
const MAX_METHODS = 64;
const MAX_INTERFACE_BYTES = 96 << 10;
const MAX_CONFIGURATIONS = 64;
const MAX_TEXT = 1024;
const MAX_SHORT = 128;
const MAX_LISTED = 16;

/** What a worker says of a workload, bounded: whatever it sends, no more than this is kept. */
export interface WorkloadFacts
  extends Pick<
    WorkloadStatus,
    'state' | 'since' | 'restarts' | 'lastTermination' | 'isolation' | 'interfaces' | 'ready' | 'message'
  > {
  readonly uid: string;
  readonly generation: number;
  readonly configurations: readonly ConfigurationFacts[];
}

export interface ConfigurationFacts {
  readonly uid: string;
  readonly generation: number;
  readonly appliedGeneration: number;
  readonly interfaceVersion: string;
  readonly state: 'PENDING' | 'APPLIED' | 'REFUSED';
  readonly message: string;
}

export function workloadFacts(report: WorkloadReport): WorkloadFacts {
  const { lastTermination: last, isolation } = report;
  const message = report.message || report.interfaceProblem;
  return {
    uid: report.uid,
    generation: report.generation,
    state: WORKLOAD_STATES.find((state) => state === report.state) ?? 'STARTING',
    ready: report.ready,
    message: message.slice(0, MAX_TEXT),
    since: timeOf(report.sinceMilliseconds),
    restarts: report.restarts,
    lastTermination: last && {
      reason: TERMINATION_REASONS.find((reason) => reason === last.reason) ?? 'UNKNOWN',
      exitCode: last.exitCode,
      signal: last.signal.slice(0, MAX_SHORT),
      message: last.message.slice(0, MAX_TEXT),
      time: timeOf(last.timeMilliseconds),
    },
    isolation: isolation && {
      runtime: isolation.runtime.slice(0, MAX_SHORT),
      namespaces: isolation.namespaces.slice(0, MAX_LISTED).map((each) => each.slice(0, MAX_SHORT)),
      limits: isolation.limits.slice(0, MAX_LISTED).map((each) => each.slice(0, MAX_SHORT)),
      reason: isolation.reason.slice(0, MAX_TEXT),
    },
    interfaces: interfacesOf(report.interfaces),
    configurations: report.configurations.slice(0, MAX_CONFIGURATIONS).map(configurationFacts),
  };
}

/** Seconds: what people read. */
const timeOf = (milliseconds: bigint): string => formatTime(Number(milliseconds));

/** None, rather than a part, of what is larger than any that a worker takes over from a CNF. */
function interfacesOf(described: readonly InterfaceDescription[]): readonly PublishedInterface[] {
  const interfaces = described.slice(0, MAX_INTERFACES).map((each) => ({
    name: each.name,
    version: each.version.slice(0, MAX_SHORT),
    methods: each.methods
      .slice(0, MAX_METHODS)
      .map(({ name, request, response }) => ({ name, request, response })),
    configuration: each.configuration,
    yang: each.yang,
    yangCheck: each.yangCheck.slice(0, MAX_TEXT),
  }));
  return Buffer.byteLength(JSON.stringify(interfaces)) > MAX_INTERFACE_BYTES ? [] : interfaces;
}

const configurationFacts = (report: ConfigurationReport): ConfigurationFacts => ({
  uid: report.uid,
  generation: report.generation,
  appliedGeneration: report.appliedGeneration,
  interfaceVersion: report.interfaceVersion.slice(0, MAX_SHORT),
  state: report.state === 'APPLIED' || report.state === 'REFUSED' ? report.state : 'PENDING',
  message: report.message.slice(0, MAX_TEXT),
});
