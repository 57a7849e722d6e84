import { create } from '@bufbuild/protobuf';
import { InventoryReportSchema, WorkloadReportSchema } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import {
  decodeResource,
  findCondition,
  type Name,
  type Port,
  parseManifest,
  type Uid,
} from '@outboard/model';
import type { Command, DomainContext } from '@outboard/resource-service';
import { AdminDomain } from '../src/domain/admin-domain.js';
import { Inventory } from '../src/domain/inventory.js';
import { parseInventoryReport } from '../src/domain/inventory-report.js';
import { workloadFacts } from '../src/domain/workloads/report.js';
import { reportOf } from './admin-laboratory.js';

/** The domain of a test; `reset` makes another one. */
export let domain: AdminDomain;
let revision: number;

export const nextRevision = (): number => ++revision;

export const reset = (): void => {
  revision = 0;
  domain = new AdminDomain(new Inventory());
  domain.reload([], 0);
};

/** Wall clock, milliseconds. */
export const START = Date.UTC(2026, 10, 27);

export const context = (now = START): DomainContext => ({
  revision: ++revision,
  now,
  newUid: () => `00000000-0000-7000-8000-${String(revision).padStart(12, '0')}` as Uid,
});

export const register = (dpu: string, more: object = {}): void => {
  const report = create(
    InventoryReportSchema,
    reportOf(`SN-${dpu}`, {
      incarnation: `boot-${dpu}`,
      cpuMillicores: 2000,
      memoryMebibytes: 1000,
      ...more,
    }),
  );
  const facts = unwrap(parseInventoryReport(dpu as Name, report));
  const at = context();
  domain.followed(unwrap(domain.inventory.register(dpu as Name, facts, at, () => 'default' as Name)), at);
};

export const commandOf = (kind: string, name: string, spec: object): Command => {
  const metadata = { tenant: 'acme', name };
  const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind, metadata, spec };
  return { operation: 'apply', intent: unwrap(parseManifest(manifest)) };
};
export const apply = (kind: string, name: string, spec: object) =>
  domain.decide(commandOf(kind, name, spec), context());
export const run = (name: string, spec: object = {}) =>
  unwrap(apply('Workload', name, { command: ['/bin/true'], ...spec }));
export const remove = (kind: 'Workload' | 'WorkloadConfiguration', name: string) =>
  domain.decide({ operation: 'delete', kind, tenant: 'acme', name }, context());
export const found = (name: string) => domain.workload('acme', name);
export const planned = (name: string) => {
  const condition = findCondition(found(name)?.status.conditions ?? [], 'Planned');
  return [condition?.reason, condition?.message];
};
export const healthy = (name: string) =>
  findCondition(found(name)?.status.conditions ?? [], 'Healthy')?.reason;

/** Keys of a DPU's document. */
export const documentOf = (dpu: string): string[] => {
  domain.takeDocumentChanges(++revision);
  return domain.compileDocument(dpu as Name).objects.map(({ key }) => key.split('/')[0] ?? '');
};

/** The DPU has applied and read back its document, but for what it is still ending. */
export const confirm = (dpu: string, ending: readonly string[] = [], more: object = {}) => {
  domain.takeDocumentChanges(++revision);
  const { sequence } = domain.documentHead(dpu as Name);
  const problems = ending.map((key) => ({
    key,
    state: 'PENDING' as const,
    message: '',
    isUnderWay: true as const,
  }));
  const report = { dpu: dpu as Name, sequence, problems, problemTotal: problems.length, offload: undefined };
  return domain.observe({ ...report, ...more }, context());
};

/** A port of network-intent. */
export const portOf = (name: string, status: object, sfNumber?: number): Port => {
  const place = { serialNumber: 'SN-dpu-1', pfMacAddress: '08:c0:eb:00:00:01' };
  const metadata = { tenant: 'acme', name, uid: '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11', generation: 1 };
  const apiVersion = 'network.outboard.dev/v1alpha1';
  const port = {
    apiVersion,
    kind: 'Port',
    metadata,
    spec: { network: 'blue', function: { ...place, ...(sfNumber !== undefined && { sfNumber }) } },
    status,
  };
  return unwrap(decodeResource(port)) as Port;
};
export const ON_DPU_1 = {
  dpu: 'dpu-1',
  representor: 'pf0sf1',
  mtu: 1450,
  macAddress: '02:00:5e:00:10:05',
  addresses: [{ subnet: 'v4', ip: '10.0.1.5', prefixLength: 24, gateway: '10.0.1.1' }],
};
export const tellPort = (name: string, port: Port | undefined) =>
  domain.portsTold([{ tenant: 'acme', name, port }], context());

export const tell = (dpu: string, name: string, report: object) =>
  domain.workloadReported(
    dpu as Name,
    workloadFacts(
      create(WorkloadReportSchema, {
        uid: found(name)?.metadata.uid ?? '',
        generation: 1,
        state: 'RUNNING',
        ready: true,
        ...report,
      }),
    ),
    context(),
  );
