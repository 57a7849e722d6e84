import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { s32, u32 } from '../codec/scalars.js';

/** `nsid` of a namespace to which the asking one has given no id. */
export const NETNSA_NSID_NOT_ASSIGNED = -1;

/** The ids by which one network namespace knows others (`linkNetnsid` of a link refers to them). */
export const namespaceId = defineFamily({
  name: 'namespaceId',
  protocol: 'route',
  header: { rtgenFamily: 'u8', pad: 'pad24' },
  attributes: { nsid: [1, s32], pid: [2, u32], fd: [3, u32], targetNsid: [4, s32], currentNsid: [5, s32] },
  operations: { new: 88, delete: 89, get: 90 },
});

export type NamespaceIdInput = InputOf<typeof namespaceId>;
export type NamespaceId = OutputOf<typeof namespaceId>;
