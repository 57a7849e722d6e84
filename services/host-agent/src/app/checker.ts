import { equal } from '@outboard/core';
import { findCondition, functionIdentityKey, type Port } from '@outboard/model';
import { type Attachment, keyOf } from '../domain/attachment.js';
import { CNI_CODE, CniError } from '../domain/cni-error.js';
import type { JsonRecord } from '../domain/json.js';
import { comparePrevious } from '../domain/result.js';
import type { ControlPlane } from './control-plane.js';
import { differences } from './pod-network.js';
import type { HostPorts } from './releaser.js';

/**
 * Compares what a pod has with what ADD said: in the result that the runtime has kept, in the kernel, on the DPU, and in
 * the intent. Throws CniError.
 */
export async function check(
  { namespaces }: Pick<HostPorts, 'namespaces'>,
  attachment: Attachment,
  prevResult: JsonRecord,
  controlPlane: ControlPlane,
): Promise<void> {
  const { connection, netns, ifname, tenant, port } = attachment;
  const wrong: string[] = [];
  const namespace = namespaces.of(keyOf(attachment), netns);
  if (connection === undefined) wrong.push(`the attachment is ${attachment.phase}`);
  else {
    const previous = comparePrevious(prevResult, ifname, connection);
    wrong.push(...previous.differences.map((each) => `result: ${each}`));
    if (namespace === undefined) wrong.push(`kernel: network namespace ${netns.path} is gone`);
    else {
      const found = await differences(namespace, ifname, previous.expected);
      wrong.push(...found.map((each) => `kernel: ${each}`));
    }
  }
  const read = await controlPlane.getPort(tenant, port);
  if (read.ok) wrong.push(...portDifferences(read.value, attachment));
  else if (read.error.code === 'NOT_FOUND') wrong.push(`intent: port ${tenant}/${port} is missing`);
  else throw CniError.from(read.error, `port ${tenant}/${port}`);
  if (wrong.length === 0) return;
  const more = wrong.length === 1 ? '' : ` (and ${wrong.length - 1} more)`;
  throw new CniError(
    CNI_CODE.NOT_AS_ADDED,
    `${ifname} is not as it was added: ${wrong[0]}${more}`,
    wrong.join('\n'),
  );
}

function portDifferences(
  { metadata, spec, status }: Port,
  { function: leased, connection }: Attachment,
): string[] {
  const name = `port ${metadata.tenant}/${metadata.name}`;
  const wrong: string[] = [];
  if (spec.function === undefined || functionIdentityKey(spec.function) !== functionIdentityKey(leased)) {
    wrong.push(`intent: ${name} does not have function ${leased.name}`);
  }
  if (connection !== undefined) {
    const wanted = status.addresses.map(({ ip, prefixLength }) => `${ip}/${prefixLength}`).sort();
    const given = connection.addresses.map(({ ip, prefixLength }) => `${ip}/${prefixLength}`).sort();
    if (!equal(wanted, given))
      wrong.push(`intent: ${name} has ${wanted.join(', ')}, the pod ${given.join(', ')}`);
    if (status.macAddress !== connection.macAddress)
      wrong.push(`intent: ${name} has MAC address ${status.macAddress}`);
    if (status.mtu !== connection.mtu) wrong.push(`intent: ${name} has MTU ${status.mtu}`);
  }
  const ready = findCondition(status.conditions, 'Ready');
  if (ready?.status !== 'True') {
    const reason = ready === undefined ? 'never reported' : `${ready.reason} ${ready.message}`.trim();
    wrong.push(`DPU: ${name} is not ready: ${reason}`);
  }
  return wrong;
}
