import type { Brand } from '@outboard/core';
import type { IpAddress, IpPrefix } from '../../ip.js';
import type { Resource, Status } from '../../resource.js';
import type { DeviceName } from '../../values.js';
import type { AdminState } from '../port/spec.js';

/** An address with the length of its prefix (`10.254.0.1/24`), the address in canonical form. */
export type InterfaceAddress = Brand<string, 'InterfaceAddress'>;

export interface DpuInterface {
  readonly device: DeviceName;
  /** Bytes, 1280 to 9216; undefined: as it is. */
  readonly mtu: number | undefined;
  /** Undefined: as it is. */
  readonly adminState: AdminState | undefined;
  readonly addresses: readonly InterfaceAddress[];
  /** Other addresses are taken away. */
  readonly exclusiveAddresses: boolean;
  /** Bridge or bond that it is a port of; undefined: as it is. */
  readonly master: DeviceName | undefined;
}

/** With a gateway or a device. */
export interface DpuRoute {
  readonly destination: IpPrefix;
  readonly gateway: IpAddress | undefined;
  readonly device: DeviceName | undefined;
  /** 0: the kernel's default. */
  readonly metric: number;
}

export interface DpuNetworkConfigurationSpec {
  readonly interfaces: readonly DpuInterface[];
  readonly routes: readonly DpuRoute[];
  readonly confirmTimeoutSeconds: number;
  /** Another number tries again what was rolled back. */
  readonly attempt: number;
}

export interface DpuNetworkConfigurationStatus extends Status {
  /** 0: none. */
  readonly confirmedGeneration: number;
}

/** The network of the Dpu of the same name. Belongs to no tenant. */
export type DpuNetworkConfiguration = Resource<
  'DpuNetworkConfiguration',
  DpuNetworkConfigurationSpec,
  DpuNetworkConfigurationStatus
>;
