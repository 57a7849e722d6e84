import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type ProbeSchema,
  type WorkloadSpec as WorkloadSpecMessage,
  WorkloadSpecSchema,
  type WorkloadStatus as WorkloadStatusMessage,
  WorkloadStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { oneOf, optional } from '../../fields.js';
import { labelSelectorToMessage } from '../../label-selector.js';
import { parseName } from '../../values.js';
import {
  type Probe,
  TERMINATION_REASONS,
  type Termination,
  WORKLOAD_STATES,
  type WorkloadSpec,
  type WorkloadStatus,
} from './spec.js';

const parseState = oneOf(WORKLOAD_STATES);
const parseReason = oneOf(TERMINATION_REASONS);

export const workloadSpecToMessage = (spec: WorkloadSpec): WorkloadSpecMessage =>
  create(WorkloadSpecSchema, {
    dpu: spec.dpu ?? '',
    ...(spec.dpuSelector && { dpuSelector: labelSelectorToMessage(spec.dpuSelector) }),
    image: spec.image ?? '',
    command: [...spec.command],
    arguments: [...spec.arguments],
    environment: { ...spec.environment },
    workingDirectory: spec.workingDirectory ?? '',
    resources: { ...spec.resources },
    interfaces: spec.interfaces.map(({ name, port, defaultRoute }) => ({
      name,
      port,
      ...(defaultRoute !== undefined && { defaultRoute }),
    })),
    files: spec.files.map(({ path, content, mode }) => ({ path, content, mode: modeText(mode) })),
    restartPolicy: spec.restartPolicy,
    ...(spec.readinessProbe && { readinessProbe: probeToMessage(spec.readinessProbe) }),
    ...(spec.livenessProbe && { livenessProbe: probeToMessage(spec.livenessProbe) }),
    terminationGraceSeconds: spec.terminationGraceSeconds,
    capabilities: [...spec.capabilities],
    devices: [...spec.devices],
    sysctls: { ...spec.sysctls },
    accelerationSessions: [...spec.accelerationSessions],
  });

const modeText = (mode: number): string => mode.toString(8).padStart(4, '0');

const probeToMessage = ({ action, ...numbers }: Probe): MessageInitShape<typeof ProbeSchema> => ({
  ...numbers,
  ...(action.kind === 'exec' ? { exec: [...action.command] } : { httpPath: action.path }),
});

export const parseWorkloadStatus = (
  message: WorkloadStatusMessage = create(WorkloadStatusSchema),
  problems: Problems,
): Omit<WorkloadStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  dpu: optional(problems, 'status.dpu', message.dpu, parseName),
  movingTo: optional(problems, 'status.movingTo', message.movingTo, parseName),
  state: optional(problems, 'status.state', message.state, parseState),
  since: message.since,
  restarts: message.restarts,
  lastTermination: parseTermination(message, problems),
  isolation: message.isolation && {
    runtime: message.isolation.runtime,
    namespaces: [...message.isolation.namespaces],
    limits: [...message.isolation.limits],
    reason: message.isolation.reason,
  },
  ports: message.ports.map(({ $typeName: _, $unknown: __, ...port }) => port),
  interfaces: message.interfaces.map(({ name, version, methods, configuration, yang, yangCheck }) => ({
    name,
    version,
    methods: methods.map((method) => ({
      name: method.name,
      request: method.request,
      response: method.response,
    })),
    configuration,
    yang,
    yangCheck,
  })),
  ready: message.ready,
  message: message.message,
});

function parseTermination(
  { lastTermination }: WorkloadStatusMessage,
  problems: Problems,
): Termination | undefined {
  if (lastTermination === undefined) return undefined;
  const { reason, exitCode, signal, message, time } = lastTermination;
  const known = optional(problems, 'status.lastTermination.reason', reason, parseReason) ?? 'UNKNOWN';
  return { reason: known, exitCode, signal, message, time };
}

export const workloadStatusToMessage = (status: WorkloadStatus): WorkloadStatusMessage =>
  create(WorkloadStatusSchema, {
    observedGeneration: status.observedGeneration,
    dpu: status.dpu ?? '',
    movingTo: status.movingTo ?? '',
    state: status.state ?? '',
    since: status.since,
    restarts: status.restarts,
    ...(status.lastTermination && { lastTermination: withoutAbsent(status.lastTermination) }),
    ...(status.isolation && {
      isolation: {
        ...status.isolation,
        namespaces: [...status.isolation.namespaces],
        limits: [...status.isolation.limits],
      },
    }),
    ports: status.ports.map((port) => ({
      ...port,
      addresses: [...port.addresses],
      gateways: [...port.gateways],
    })),
    interfaces: status.interfaces.map(({ methods, ...published }) => ({
      ...withoutAbsent(published),
      methods: methods.map(withoutAbsent),
    })),
    ready: status.ready,
    message: status.message,
  });

/** Of an optional field `undefined` is a value to some, and absence to others. */
const withoutAbsent = <Fields extends object>(
  fields: Fields,
): { [Key in keyof Fields]: NonNullable<Fields[Key]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
