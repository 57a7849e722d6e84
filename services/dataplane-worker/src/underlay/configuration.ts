import type { UnderlayConfiguration } from '@outboard/contracts';

/** Names one state of a DPU's network configuration; generation 0: there is none any more. */
export interface ConfigurationVersion {
  readonly uid: string;
  readonly generation: number;
}

/** What the network of the DPU itself should be; plain JSON. */
export interface Configuration extends ConfigurationVersion {
  readonly interfaces: readonly WantedInterface[];
  readonly routes: readonly WantedRoute[];
  readonly confirmTimeoutSeconds: number;
}

export interface WantedInterface {
  readonly device: string;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly addresses: readonly string[];
  readonly exclusiveAddresses: boolean;
  /** Bridge or bond that it is a port of; absent: as it is. */
  readonly master?: string;
}

export interface WantedRoute {
  readonly destination: string;
  /** Empty: on the device's link. */
  readonly gateway: string;
  /** Empty: the one that leads to the gateway. */
  readonly device: string;
  readonly metric: number;
}

export const isSameVersion = (
  one: ConfigurationVersion | undefined,
  other: ConfigurationVersion | undefined,
): boolean => one?.uid === other?.uid && one?.generation === other?.generation;

/** The configuration of nobody: everything is given back. */
export const releaseOf = ({ uid, confirmTimeoutSeconds }: Configuration): Configuration => ({
  uid,
  generation: 0,
  interfaces: [],
  routes: [],
  confirmTimeoutSeconds,
});

export const devicesOf = ({ interfaces, routes }: Configuration): readonly string[] => [
  ...new Set([
    ...interfaces.flatMap(({ device, master }) => (master === undefined ? [device] : [device, master])),
    ...routes.flatMap(({ device }) => (device === '' ? [] : [device])),
  ]),
];

export const configurationOf = (message: UnderlayConfiguration): Configuration => ({
  uid: message.uid,
  generation: message.generation,
  interfaces: message.interfaces.map(({ device, mtu, up, addresses, exclusiveAddresses, master }) => ({
    device,
    ...(mtu !== undefined && { mtu }),
    ...(up !== undefined && { up }),
    addresses: [...addresses],
    exclusiveAddresses,
    ...(master !== '' && { master }),
  })),
  routes: message.routes.map(({ destination, gateway, device, metric }) => ({
    destination,
    gateway,
    device,
    metric,
  })),
  confirmTimeoutSeconds: message.confirmTimeoutSeconds,
});
