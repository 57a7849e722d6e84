import { isLabel, LABEL_RULE, NO_TENANT } from '@outboard/contracts';
import { type Brand, err, ok, type Result } from '@outboard/core';

/** A resource name: an RFC 1123 label. */
export type Name = Brand<string, 'Name'>;

/** A tenant: an RFC 1123 label, or `_` for resources that belong to none. */
export type TenantName = Brand<string, 'TenantName'>;

/** The tenant of resources that belong to none. */
export const SYSTEM_TENANT = NO_TENANT as TenantName;

/** A UUID, lower case. */
export type Uid = Brand<string, 'Uid'>;

/** A unicast IEEE 802 address: lower case, colons (`02:00:5e:00:10:05`). */
export type MacAddress = Brand<string, 'MacAddress'>;

/** Serial number of a DPU: 1-64 of letters, digits, `.`, `_`, `-`, starting with a letter or digit. */
export type SerialNumber = Brand<string, 'SerialNumber'>;

/** Name of a host: an RFC 1123 subdomain, as Kubernetes names nodes. */
export type HostName = Brand<string, 'HostName'>;

/** What tells a segment from the others of its encapsulation: a VNI (1 to 16777215) or a VLAN id (1 to 4094). */
export type SegmentationId = Brand<number, 'SegmentationId'>;

/** Name of a network device on Linux. */
export type DeviceName = Brand<string, 'DeviceName'>;

/** Largest IP packet in bytes, 1280 to 9000. */
export type Mtu = Brand<number, 'Mtu'>;

/** Name of a TCP or UDP port of a port's holder: an RFC 6335 service name in lower case. */
export type PortName = Brand<string, 'PortName'>;

/** Labels in the Kubernetes syntax. */
export type Labels = Readonly<Record<string, string>>;

/** Labels on one resource. */
export const MAX_LABELS = 64;
/** RFC 7348 and RFC 8926: 24 bits. */
export const MAX_VNI = 0xffffff;
/** IEEE 802.1Q: 12 bits, of which 0 and 4095 are no VLANs. */
export const MAX_VLAN_ID = 4094;
/** IPv6 needs 1280 (RFC 8200 section 5). */
export const MIN_MTU = 1280;
export const MAX_MTU = 9000;

/** A parser of one value: the value in canonical form, or the rule that was broken. */
export type Parser<Input, Value> = (input: Input) => Result<Value, string>;

export const parseName: Parser<string, Name> = (text) => (isLabel(text) ? ok(text as Name) : err(LABEL_RULE));

export const parseTenantName: Parser<string, TenantName> = (text) =>
  isLabel(text) ? ok(text as TenantName) : err(LABEL_RULE);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const parseUid: Parser<string, Uid> = (text) =>
  UUID.test(text) ? ok(text as Uid) : err('must be a lower-case UUID');

const COLONS = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

/** Six octets with `:` or `-`. Group addresses and the null address are refused: no function can have them. */
export const parseMacAddress: Parser<string, MacAddress> = (text) => {
  const canonical = text.includes(':') ? text.toLowerCase() : text.toLowerCase().replaceAll('-', ':');
  if (!COLONS.test(canonical)) return err('must be a MAC address such as 02:00:5e:00:10:05');
  if ((Number.parseInt(canonical.slice(0, 2), 16) & 1) === 1) {
    return err('must be a unicast address: the lowest bit of the first octet must be 0');
  }
  if (canonical === '00:00:00:00:00:00') return err('must not be the null address');
  return ok(canonical as MacAddress);
};

const SERIAL_NUMBER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const parseSerialNumber: Parser<string, SerialNumber> = (text) =>
  SERIAL_NUMBER.test(text)
    ? ok(text as SerialNumber)
    : err('must be 1-64 of A-Z, a-z, 0-9, . _ - ; starting with a letter or digit');

export const parseHostName: Parser<string, HostName> = (text) =>
  text.length <= 253 && text.split('.').every(isLabel)
    ? ok(text as HostName)
    : err('must be an RFC 1123 subdomain: at most 253 characters, labels of a-z, 0-9, - joined by dots');

/** A parser of identifiers from 1 to `last`. */
export const parseSegmentationId =
  (last: number): Parser<number, SegmentationId> =>
  (value) =>
    value >= 1 && value <= last ? ok(value as SegmentationId) : err(`must be 1 to ${last}`);

/** What Linux accepts (dev_valid_name), without characters that no device should have in a file or a log. */
const DEVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,14}$/;

export const parseDeviceName: Parser<string, DeviceName> = (text) =>
  DEVICE_NAME.test(text)
    ? ok(text as DeviceName)
    : err(
        'must be the name of a network device: 1-15 of A-Z, a-z, 0-9, . _ @ - ; starting with a letter or digit',
      );

export const parseMtu: Parser<number, Mtu> = (value) =>
  value >= MIN_MTU && value <= MAX_MTU ? ok(value as Mtu) : err(`must be ${MIN_MTU} to ${MAX_MTU}`);

const PORT_NAME = /^(?=.*[a-z])(?!.*--)[a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?$/;

export const parsePortName: Parser<string, PortName> = (text) =>
  PORT_NAME.test(text)
    ? ok(text as PortName)
    : err('must be 1-15 of a-z, 0-9, - with a letter, no -- and a letter or digit at both ends');

export const parsePortNumber: Parser<number, number> = (value) =>
  value >= 1 && value <= 65535 ? ok(value) : err('must be 1 to 65535');

const LABEL_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** What is wrong with a label's key; undefined: nothing. (Kubernetes: "Labels and Selectors", syntax and character set.) */
export function labelKeyProblem(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = key.slice(0, Math.max(slash, 0));
  if (slash >= 0 && !parseHostName(prefix).ok) {
    return 'must have a key whose prefix is an RFC 1123 subdomain';
  }
  return LABEL_NAME.test(key.slice(slash + 1))
    ? undefined
    : 'must have a key of 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit';
}

/** What is wrong with a label's value; undefined: nothing. */
export const labelValueProblem = (value: string): string | undefined =>
  value === '' || LABEL_NAME.test(value)
    ? undefined
    : 'must be empty, or 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit';
