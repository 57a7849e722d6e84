import { create } from '@bufbuild/protobuf';
import {
  type Attachment as AttachmentMessage,
  type PhysicalNetworkSpec as PhysicalNetworkSpecMessage,
  PhysicalNetworkSpecSchema,
  type VlanRange as VlanRangeMessage,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, distinct, optional, required } from '../../fields.js';
import { parseLabelSelectorMessage, selectsLabels } from '../../label-selector.js';
import {
  type DeviceName,
  type Labels,
  MAX_VLAN_ID,
  type Mtu,
  type Name,
  parseDeviceName,
  parseMtu,
  parseName,
} from '../../values.js';
import type { Attachment, PhysicalNetworkSpec, VlanRange } from './spec.js';

/** Of Ethernet, unless the admin says that the fabric carries more. */
export const DEFAULT_FABRIC_MTU = 1500 as Mtu;
export const MAX_VLAN_RANGES = 64;
export const MAX_ATTACHMENTS = 256;
export const MAX_ATTACHED_DPUS = 256;

export function parsePhysicalNetworkSpec(
  message: PhysicalNetworkSpecMessage = create(PhysicalNetworkSpecSchema),
  problems: Problems,
): PhysicalNetworkSpec | undefined {
  const mtu = optional(problems, 'spec.mtu', message.mtu, parseMtu) ?? DEFAULT_FABRIC_MTU;
  atMost(problems, 'spec.vlanRanges', message.vlanRanges, MAX_VLAN_RANGES);
  const vlanRanges = message.vlanRanges.map((range, index) =>
    parseVlanRange(range, `spec.vlanRanges[${index}]`, problems),
  );
  checkOverlaps(vlanRanges, problems);
  atMost(problems, 'spec.attachments', message.attachments, MAX_ATTACHMENTS);
  const attachments = all(
    message.attachments.map((attachment, index) =>
      parseAttachment(attachment, `spec.attachments[${index}]`, problems),
    ),
  );
  return attachments && { mtu, vlanRanges, attachments };
}

function parseVlanRange(
  { minimum, maximum }: VlanRangeMessage,
  field: string,
  problems: Problems,
): VlanRange {
  for (const [name, value] of Object.entries({ minimum, maximum })) {
    if (value < 1 || value > MAX_VLAN_ID) problems.add(`${field}.${name}`, `must be 1 to ${MAX_VLAN_ID}`);
  }
  if (minimum > maximum) problems.add(`${field}.maximum`, `must not be less than minimum, ${minimum}`);
  return { minimum, maximum };
}

function checkOverlaps(ranges: readonly VlanRange[], problems: Problems): void {
  for (const [index, { minimum, maximum }] of ranges.slice(0, MAX_VLAN_RANGES).entries()) {
    const other = ranges.findIndex(
      (range, position) => position < index && minimum <= range.maximum && range.minimum <= maximum,
    );
    if (other >= 0) problems.add(`spec.vlanRanges[${index}]`, `must not overlap spec.vlanRanges[${other}]`);
  }
}

function parseAttachment(
  { uplink, dpus, dpuSelector }: AttachmentMessage,
  field: string,
  problems: Problems,
): Attachment | undefined {
  const device = required(problems, `${field}.uplink`, uplink, parseDeviceName);
  const few = atMost(problems, `${field}.dpus`, dpus, MAX_ATTACHED_DPUS);
  const names = all(
    dpus.map((name, index) => required(problems, `${field}.dpus[${index}]`, name, parseName)),
  );
  if (few)
    distinct(
      problems,
      dpus,
      (name) => name,
      (index) => `${field}.dpus[${index}]`,
    );
  const selector = dpuSelector && parseLabelSelectorMessage(dpuSelector, `${field}.dpuSelector`, problems);
  if (dpus.length > 0 === (dpuSelector !== undefined)) {
    problems.add(field, 'must have either dpus or dpuSelector');
  }
  return device && names && { uplink: device, dpus: names, dpuSelector: selector };
}

/** The uplink by which a DPU is attached; undefined: it is not. */
export function uplinkOf(
  { attachments }: PhysicalNetworkSpec,
  dpu: { readonly name: Name; readonly labels: Labels },
): DeviceName | undefined {
  return attachments.find(({ dpus, dpuSelector }) =>
    dpuSelector === undefined ? dpus.includes(dpu.name) : selectsLabels(dpuSelector, dpu.labels),
  )?.uplink;
}
