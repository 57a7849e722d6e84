import { fromBinary, toJson } from '@bufbuild/protobuf';
import { DataplaneObjectSchema } from '@outboard/contracts';
import type { DpuRecord, NetworkRecord, PortRecord, StoredRecord } from '../src/index.js';

type Json = Record<string, unknown>;

/** Documents in a form that people read and tests compare: by DPU and key, objects as protobuf's JSON. */
export type ReadableDocuments = Record<string, Record<string, Json>>;

export const readable = (object: Uint8Array): Json =>
  toJson(DataplaneObjectSchema, fromBinary(DataplaneObjectSchema, object)) as Json;

/** What every DPU's document must be, spelled out from the stored rows without any index or increment. */
export function expectedDocuments(rows: Iterable<StoredRecord>): ReadableDocuments {
  const records = [...rows];
  const dpus = records.filter((record): record is DpuRecord => record.kind === 'Dpu');
  const networks = records.filter((record): record is NetworkRecord => record.kind === 'Network');
  const ports = records.filter((record): record is PortRecord => record.kind === 'Port');
  const documents: ReadableDocuments = Object.fromEntries(dpus.map(({ name }) => [name, {}]));
  for (const { resource: network } of networks) {
    const { tenant, name, uid } = network.metadata;
    const planned = ports.filter(
      ({ resource }) =>
        resource.metadata.tenant === tenant &&
        resource.spec.network === name &&
        resource.status.dpu !== undefined,
    );
    const members = dpus.filter((dpu) => planned.some(({ resource }) => resource.status.dpu === dpu.name));
    for (const member of members) {
      const document = documents[member.name] ?? {};
      const source = { kind: 'Network', tenant, name };
      const router = `router/${tenant}/${network.spec.router}`;
      document[router] = {
        source: { kind: 'Router', tenant, name: network.spec.router },
        router: { tenant, name: network.spec.router },
      };
      document[`bridgedomain/${uid}`] = {
        source,
        bridgeDomain: {
          networkUid: uid,
          router,
          vni: network.status.segment?.segmentationId,
          mtu: network.status.mtu,
        },
      };
      for (const peer of members) {
        if (peer === member) continue;
        document[`tunnelpeer/${uid}/${peer.name}`] = {
          source,
          tunnelPeer: { networkUid: uid, tunnelEndpoint: peer.tunnelEndpoint },
        };
      }
      for (const { resource: port } of planned) {
        const home = members.find((dpu) => dpu.name === port.status.dpu);
        const [key, object] = portObject(port, uid, member, home);
        document[key] = object;
      }
    }
  }
  return documents;
}

function portObject(
  { metadata, spec, status }: PortRecord['resource'],
  networkUid: string,
  member: DpuRecord,
  home: DpuRecord | undefined,
): [key: string, object: Json] {
  const source = { kind: 'Port', tenant: metadata.tenant, name: metadata.name };
  const ipAddresses = status.addresses.map(({ ip }) => ip);
  const common = { portUid: metadata.uid, networkUid, macAddress: status.macAddress };
  const allowedAddressPairs = spec.allowedAddressPairs.map(({ ip, macAddress }) => ({
    ip,
    macAddress: macAddress ?? status.macAddress,
  }));
  if (home !== member) {
    const remoteEndpoint = withoutEmpty({
      ...common,
      ipAddresses,
      allowedAddressPairs,
      tunnelEndpoint: home?.tunnelEndpoint,
    });
    return [`remoteendpoint/${metadata.uid}`, { source, remoteEndpoint }];
  }
  const endpoint = withoutEmpty({
    ...common,
    representor: status.representor,
    ipAddresses,
    allowedAddressPairs,
    adminUp: spec.adminState === 'UP',
  });
  return [`endpoint/${metadata.uid}`, { source, endpoint }];
}

/** As protobuf's JSON leaves out what is empty. */
const withoutEmpty = (object: Json): Json =>
  Object.fromEntries(
    Object.entries(object).filter(
      ([, value]) => value !== false && !(Array.isArray(value) && value.length === 0),
    ),
  );
