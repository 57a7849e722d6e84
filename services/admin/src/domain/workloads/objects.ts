import type { MessageInitShape } from '@bufbuild/protobuf';
import { AdminObjectSchema, type InfraProbeSchema } from '@outboard/contracts';
import { SharedObject } from '@outboard/document-owner/documents';
import type { Probe, Workload, WorkloadConfiguration } from '@outboard/model';

/** What keys of workloads begin with. */
export const WORKLOAD_KEYS = 'workload/';
export const workloadKeyOf = (uid: string): string => `${WORKLOAD_KEYS}${uid}`;
export const workloadKey = ({ metadata }: Workload): string => workloadKeyOf(metadata.uid);
export const configurationKey = ({ metadata }: WorkloadConfiguration): string =>
  `workloadconfiguration/${metadata.uid}`;

/** What the worker is told of a workload that has a place and its ports. */
export function workloadObject(workload: Workload): SharedObject {
  const { kind, metadata, spec, status } = workload;
  const { tenant, name, uid, generation } = metadata;
  return SharedObject.of(AdminObjectSchema, workloadKey(workload), {
    source: { kind, tenant, name },
    object: {
      case: 'infraWorkload',
      value: {
        uid,
        tenant,
        name,
        generation,
        image: spec.image ?? '',
        command: [...spec.command],
        arguments: [...spec.arguments],
        environment: sorted(spec.environment),
        workingDirectory: spec.workingDirectory ?? '',
        ...spec.resources,
        interfaces: status.ports.map(({ interface: device, port: _, addresses, gateways, ...port }) => ({
          ...port,
          name: device,
          addresses: [...addresses],
          gateways: [...gateways],
        })),
        files: spec.files.map((file) => ({ ...file })),
        restartPolicy: spec.restartPolicy,
        ...(spec.readinessProbe && { readinessProbe: probeOf(spec.readinessProbe) }),
        ...(spec.livenessProbe && { livenessProbe: probeOf(spec.livenessProbe) }),
        terminationGraceSeconds: spec.terminationGraceSeconds,
        capabilities: [...spec.capabilities],
        devices: [...spec.devices],
        sysctls: sorted(spec.sysctls),
        accelerationSessions: [...spec.accelerationSessions],
      },
    },
  });
}

const probeOf = ({ action, ...numbers }: Probe): MessageInitShape<typeof InfraProbeSchema> => ({
  ...numbers,
  ...(action.kind === 'exec' ? { exec: [...action.command] } : { httpPath: action.path }),
});

/** Maps have no order of their own; the same object must have the same bytes. */
const sorted = (map: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(map).sort(([one], [other]) => (one < other ? -1 : 1)));

export function configurationObject(configuration: WorkloadConfiguration, workloadUid: string): SharedObject {
  const { kind, metadata, spec } = configuration;
  const { tenant, name, uid, generation } = metadata;
  return SharedObject.of(AdminObjectSchema, configurationKey(configuration), {
    source: { kind, tenant, name },
    object: {
      case: 'interfaceConfiguration',
      value: {
        uid,
        generation,
        workloadUid,
        interface: spec.interface,
        configuration: spec.configuration,
      },
    },
  });
}
