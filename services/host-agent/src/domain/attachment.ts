import { createHash } from 'node:crypto';
import {
  type FunctionIdentity,
  type Labels,
  labelValueProblem,
  type Name,
  POD_LABEL,
  POD_NAMESPACE_LABEL,
  type TenantName,
} from '@outboard/model';
import { PREFIX } from './configuration.js';
import type { Connection } from './result.js';

/** A device of the host as it was before a pod got it, and is to be again. */
export interface HostDevice {
  readonly ifname: string;
  readonly address: string;
  /** Bytes. */
  readonly mtu: number;
}

/** A function that a pod can have. */
export interface LeasableFunction extends FunctionIdentity {
  /** Of the Function resource. */
  readonly name: Name;
  readonly dpu: Name;
}

export type Phase =
  /** Something may be there of everything. */
  | 'attaching'
  /** All is there. */
  | 'attached'
  /** Nothing is to be there. */
  | 'releasing';

/** One interface of one container, as the journal keeps it. */
export interface Attachment {
  readonly containerId: string;
  readonly ifname: string;
  /** Name of the CNI network. */
  readonly network: string;
  readonly netns: { readonly path: string; readonly inode: number };
  readonly pod: { readonly namespace: string | undefined; readonly name: string | undefined };
  readonly tenant: TenantName;
  readonly port: Name;
  /** What there was not before, and is not to be there after. */
  readonly made: 'port' | 'binding' | 'nothing';
  readonly function: LeasableFunction;
  readonly device: HostDevice;
  readonly phase: Phase;
  /** Once it is attached. */
  readonly connection: Connection | undefined;
}

/** Identity of an attachment: a runtime has one interface of a name in a container. */
export const attachmentKey = (containerId: string, ifname: string): string => `${containerId}/${ifname}`;

/** The same, of an attachment. */
export const keyOf = ({ containerId, ifname }: Pick<Attachment, 'containerId' | 'ifname'>): string =>
  attachmentKey(containerId, ifname);

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Of the journal's file. */
export const fileNameOf = (key: string): string => `${digest(key).slice(0, 32)}.json`;

/** What the device of an attachment is marked with (ifalias) while a pod has it: other devices are not ours to take. */
export const markOf = (key: string): string => `outboard:host-agent:${digest(key).slice(0, 32)}`;

const MAX_READABLE = 40;

/**
 * Readable, and the same for the same container and interface: `web-0-eth0-3f9a1c2b7d04`. Another try of a runtime has
 * another container and gets another port.
 */
export function portNameOf(containerId: string, ifname: string, podName: string | undefined): Name {
  const readable = `${podName ?? containerId.slice(0, 12)}-${ifname}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .slice(0, MAX_READABLE)
    .replaceAll(/^-+|-+$/g, '');
  const unique = digest(attachmentKey(containerId, ifname)).slice(0, 12);
  return (readable === '' ? `pod-${unique}` : `${readable}-${unique}`) as Name;
}

/** Label by which the ports that an agent has made are known. */
export const HOST_LABEL = `${PREFIX}host`;

/** Labels of a port that is made: who it is for, and what it was asked to have. */
export function portLabels(
  host: string,
  containerId: string,
  pod: Attachment['pod'],
  asked: Labels,
): Record<string, string> {
  const labels: Record<string, string> = { ...asked };
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined && labelValueProblem(value) === undefined) labels[key] = value;
  };
  set(POD_LABEL, pod.name);
  set(POD_NAMESPACE_LABEL, pod.namespace);
  set(`${PREFIX}container`, containerId.slice(0, 63).replace(/[_.-]+$/, ''));
  labels[HOST_LABEL] = host;
  return labels;
}
