import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  encodeBinary,
  type InfraInterface,
  type InfraProbe,
  type InfraWorkload,
  type InterfaceConfiguration,
  isLabel,
  LABEL_RULE,
  WorkloadReportSchema,
} from '@outboard/contracts';
import { type AppError, err, ok, Problems, type Result } from '@outboard/core';
import type {
  RestartPolicy,
  WantedConfiguration,
  WantedInterface,
  WantedProbe,
  WantedWorkload,
  WorkloadSummary,
} from '@outboard/workloads';

const RESTART_POLICIES: readonly RestartPolicy[] = ['ALWAYS', 'ON_FAILURE', 'NEVER'];
/** IFNAMSIZ of linux/if.h less the terminating zero; dev_valid_name() refuses `/`, `:` and spaces. */
const DEVICE = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

/** A workload of the document; INVALID_ARGUMENT with every rule of workload.proto that it breaks. */
export function workloadOf(message: InfraWorkload): Result<WantedWorkload, AppError> {
  const problems = new Problems();
  for (const field of ['uid', 'tenant', 'name'] as const)
    if (!isLabel(message[field])) problems.add(field, LABEL_RULE);
  const restartPolicy = RESTART_POLICIES.find((each) => each === message.restartPolicy);
  if (restartPolicy === undefined)
    problems.add('restart_policy', `must be one of ${RESTART_POLICIES.join(', ')}`);
  if (message.image === '' && message.command.length === 0)
    problems.add('command', 'is required without image');
  for (const field of ['cpuMillicores', 'memoryMebibytes', 'processes', 'terminationGraceSeconds'] as const)
    if (message[field] === 0) problems.add(field, 'must be at least 1');
  for (const [index, name] of message.accelerationSessions.entries())
    if (!isLabel(name)) problems.add(`acceleration_sessions[${index}]`, LABEL_RULE);
  for (const [index, { name, representor }] of message.interfaces.entries()) {
    if (!DEVICE.test(name)) problems.add(`interfaces[${index}].name`, 'must be the name of a network device');
    if (!/^pf\d+sf\d+$/.test(representor))
      problems.add(`interfaces[${index}].representor`, 'must be one of a function that this worker makes');
  }
  if (restartPolicy === undefined || problems.total > 0) return err(problems.toError());
  const { $typeName: _, $unknown: __, ...fields } = message;
  return ok({
    ...fields,
    environment: { ...message.environment },
    sysctls: { ...message.sysctls },
    interfaces: message.interfaces.map(interfaceOf),
    files: message.files.map(({ path, content, mode }) => ({ path, content, mode })),
    restartPolicy,
    readinessProbe: message.readinessProbe && probeOf(message.readinessProbe),
    livenessProbe: message.livenessProbe && probeOf(message.livenessProbe),
  });
}

const interfaceOf = ({ $typeName: _, $unknown: __, ...fields }: InfraInterface): WantedInterface => fields;

function probeOf({ exec, httpPath, ...numbers }: InfraProbe): WantedProbe {
  const { periodSeconds, timeoutSeconds, failureThreshold, initialDelaySeconds } = numbers;
  return {
    action: exec.length > 0 ? { kind: 'exec', command: exec } : { kind: 'http', path: httpPath },
    periodSeconds: Math.max(1, periodSeconds),
    timeoutSeconds: Math.max(1, timeoutSeconds),
    failureThreshold: Math.max(1, failureThreshold),
    initialDelaySeconds,
  };
}

export const configurationOf = ({
  uid,
  generation,
  workloadUid,
  interface: name,
  configuration,
}: InterfaceConfiguration): WantedConfiguration => ({
  uid,
  generation,
  workloadUid,
  interface: name,
  configuration: configuration ?? {},
});

/** What is told of a workload. */
export function encodeWorkloadReport(incarnation: string, summary: WorkloadSummary): Uint8Array {
  const { uid, generation, state, ready, message, since, restarts, interfaceProblem } = summary;
  const { lastTermination: last, isolation } = summary;
  const report: MessageInitShape<typeof WorkloadReportSchema> = {
    incarnation,
    uid,
    generation,
    state,
    ready,
    message,
    sinceMilliseconds: BigInt(since),
    restarts,
    interfaceProblem,
    ...(last && {
      lastTermination: {
        reason: last.reason,
        ...(last.exitCode !== undefined && { exitCode: last.exitCode }),
        signal: last.signal,
        message: last.message,
        timeMilliseconds: BigInt(last.time),
      },
    }),
    ...(isolation && {
      isolation: { ...isolation, namespaces: [...isolation.namespaces], limits: [...isolation.limits] },
    }),
    interfaces: summary.interfaces.map(({ description, yangCheck }) => ({
      name: description.name,
      version: description.version,
      methods: description.methods.map((method) => ({
        name: method.name,
        ...(method.request && { request: method.request.document }),
        ...(method.response && { response: method.response.document }),
      })),
      ...(description.configuration && { configuration: description.configuration.document }),
      yang: description.yang,
      yangCheck,
    })),
    configurations: summary.configurations.map((each) => ({ ...each })),
  };
  return encodeBinary(WorkloadReportSchema, create(WorkloadReportSchema, report));
}
