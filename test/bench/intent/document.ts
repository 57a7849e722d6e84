import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DataplaneObjectSchema } from '@outboard/contracts';
import type { DocumentUpdate } from '@outboard/dataplane';

type Shape = MessageInitShape<typeof DataplaneObjectSchema>;
export type Entry = readonly [key: string, object: Uint8Array];

const ROUTER = 'router/acme/main';
const NETWORK = '0192f3c1-0000-7000-8000-0000000000b1';

const entry = (key: string, kind: string, name: string, object: Shape['object'] & {}): Entry => [
  key,
  toBinary(
    DataplaneObjectSchema,
    create(DataplaneObjectSchema, { source: { kind, tenant: 'acme', name }, object }),
  ),
];

/** One network of one router, in which ports and routes live. */
export const NETWORK_ENTRIES: readonly Entry[] = [
  entry(ROUTER, 'Router', 'main', { case: 'router', value: { tenant: 'acme', name: 'main' } }),
  entry(`bridgedomain/${NETWORK}`, 'Network', 'blue', {
    case: 'bridgeDomain',
    value: { networkUid: NETWORK, router: ROUTER, vni: 100, mtu: 1450 },
  }),
];

/** The key of a port on that virtual function. */
export const portKey = (vfNumber: number): string => `endpoint/port-${vfNumber}`;

export const portMac = (number: number): string => `02:00:5e:00:${hex(number >> 8)}:${hex(number & 255)}`;
export const portAddress = (number: number): string => `10.1.${number >> 8}.${number & 255}`;

/** A port with one address on that virtual function. */
export const portEntry = (vfNumber: number): Entry =>
  entry(portKey(vfNumber), 'Port', `port-${vfNumber}`, {
    case: 'endpoint',
    value: {
      portUid: `port-${vfNumber}`,
      networkUid: NETWORK,
      adminUp: true,
      representor: `pf0vf${vfNumber}`,
      macAddress: portMac(vfNumber),
      ipAddresses: [portAddress(vfNumber)],
    },
  });

/** A network of so many ports, the first of them on virtual functions here, the others on 100 other DPUs. */
export function adoptedDocument(ports: number, local: number): Entry[] {
  const peers = Array.from({ length: 100 }, (_, index) => `10.254.1.${index + 1}`);
  const remote = Array.from({ length: ports - local }, (_, index): Entry => {
    const number = local + index;
    return entry(`remoteendpoint/port-${number}`, 'Port', `port-${number}`, {
      case: 'remoteEndpoint',
      value: {
        portUid: `port-${number}`,
        networkUid: NETWORK,
        macAddress: portMac(number),
        ipAddresses: [portAddress(number)],
        tunnelEndpoint: peers[index % peers.length] ?? '',
      },
    });
  });
  return [
    ...NETWORK_ENTRIES,
    ...peers.map((tunnelEndpoint) =>
      entry(`tunnelpeer/${NETWORK}/${tunnelEndpoint}`, 'Network', 'blue', {
        case: 'tunnelPeer',
        value: { networkUid: NETWORK, tunnelEndpoint },
      }),
    ),
    ...Array.from({ length: local }, (_, vfNumber) => portEntry(vfNumber)),
    ...remote,
  ];
}

/** So many host routes from 11.0.0.0 on, all over one gateway of the network. */
export const routeEntries = (count: number): Entry[] =>
  Array.from({ length: count }, (_, index) => {
    const destination = `11.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`;
    const nextHops = [{ gateway: '10.1.255.254', weight: 1, networkUid: NETWORK }];
    return entry(`route/${ROUTER}/${destination}`, 'Router', 'main', {
      case: 'route',
      value: { router: ROUTER, destination, nextHops },
    });
  });

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Numbers the versions of one document. */
export class Documents {
  #sequence = 0n;

  whole(entries: readonly Entry[]): DocumentUpdate {
    return { ...this.#head(), complete: new Map(entries) };
  }

  change(upserts: readonly Entry[], deletes: readonly string[] = []): DocumentUpdate {
    return { ...this.#head(), upserts: new Map(upserts), deletes };
  }

  #head(): Pick<DocumentUpdate, 'owner' | 'version'> {
    // The digest is compared by whoever fetches a document, not by the engine.
    const version = { epoch: 'bench', sequence: ++this.#sequence, digest: new Uint8Array(16) };
    return { owner: 'network', version };
  }
}
