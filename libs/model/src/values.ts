import type { Brand } from '@outboard/core';

/** A resource name: an RFC 1123 label. */
export type Name = Brand<string, 'Name'>;

/** A tenant: an RFC 1123 label, or `_` for resources that belong to none. */
export type TenantName = Brand<string, 'TenantName'>;

/** A UUID version 7, lower case. */
export type Uid = Brand<string, 'Uid'>;

/** A unicast IEEE 802 address: lower case, colons (`02:00:5e:00:10:05`). */
export type MacAddress = Brand<string, 'MacAddress'>;

/** Serial number of a DPU: 1-64 of letters, digits, `.`, `_`, `-`, starting with a letter or digit. */
export type SerialNumber = Brand<string, 'SerialNumber'>;

/** Name of a host: an RFC 1123 subdomain, as Kubernetes names nodes. */
export type HostName = Brand<string, 'HostName'>;

/** VXLAN network identifier, 1 to 16777215 (RFC 7348). */
export type Vni = Brand<number, 'Vni'>;

/** Largest IP packet in bytes, 1280 to 9000. */
export type Mtu = Brand<number, 'Mtu'>;

/** Labels in the Kubernetes syntax. */
export type Labels = Readonly<Record<string, string>>;
