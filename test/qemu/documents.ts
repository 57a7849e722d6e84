import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, objectKeys } from '@outboard/contracts';

export const MTU = 1450;
export const VLAN_ID = 101;
export const VNI = 5001;

/** Networks of two tenants of each kind, all with the same addresses. */
export const NETWORKS = [
  { uid: '0192f3c1-0000-7000-8000-000000000001', tenant: 'acme', networkType: 'GENEVE', vni: VNI, vlanId: 0 },
  {
    uid: '0192f3c1-0000-7000-8000-000000000002',
    tenant: 'globex',
    networkType: 'GENEVE',
    vni: VNI + 1,
    vlanId: 0,
  },
  {
    uid: '0192f3c1-0000-7000-8000-000000000003',
    tenant: 'initech',
    networkType: 'VLAN',
    vni: 0,
    vlanId: VLAN_ID,
  },
  {
    uid: '0192f3c1-0000-7000-8000-000000000004',
    tenant: 'umbrella',
    networkType: 'VLAN',
    vni: 0,
    vlanId: VLAN_ID + 1,
  },
] as const;
export type Tenant = (typeof NETWORKS)[number]['tenant'];

export interface GuestPort {
  readonly name: string;
  readonly tenant: Tenant;
  readonly networkUid: string;
  readonly dpu: 'dpu-1' | 'dpu-2';
  readonly vf: number;
  readonly mac: string;
  readonly addresses: readonly [ipv4: string, ipv6: string];
}

/** `near` and `server` are on one DPU, `far` is on the other. */
const PLACES = [
  { role: 'server', dpu: 'dpu-1', number: 11 },
  { role: 'near', dpu: 'dpu-1', number: 12 },
  { role: 'far', dpu: 'dpu-2', number: 21 },
] as const;

const vfs = { 'dpu-1': 0, 'dpu-2': 0 };
export const PORTS: readonly GuestPort[] = NETWORKS.flatMap(({ uid, tenant }, index) =>
  PLACES.map(({ role, dpu, number }) => ({
    name: `${tenant}-${role}`,
    tenant,
    networkUid: uid,
    dpu,
    vf: vfs[dpu]++,
    mac: `02:00:5e:00:0${index}:${number}`,
    addresses: [`10.0.1.${number}`, `fd00:1::${number}`] as const,
  })),
);

type ObjectInit = NonNullable<MessageInitShape<typeof DataplaneObjectSchema>['object']>;
const entry = (key: string, tenant: string, object: ObjectInit) => {
  const source = { kind: 'Network', tenant, name: 'blue' };
  return [key, toBinary(DataplaneObjectSchema, create(DataplaneObjectSchema, { source, object }))] as const;
};

/** What a planner would make of all that for a DPU. */
export function* documentOf(
  dpu: string,
  uplink: string,
  peer: { readonly dpu: string; readonly tunnelEndpoint: string },
): Generator<readonly [string, Uint8Array]> {
  const { tunnelEndpoint } = peer;
  for (const { uid: networkUid, tenant, networkType, vni, vlanId } of NETWORKS) {
    const router = objectKeys.router(tenant, 'main');
    yield entry(router, tenant, { case: 'router', value: { tenant, name: 'main' } });
    const domain = { networkUid, router, networkType, vni, mtu: MTU };
    const value = networkType === 'VLAN' ? { ...domain, vlanId, uplink } : domain;
    yield entry(objectKeys.bridgeDomain(networkUid), tenant, { case: 'bridgeDomain', value });
    if (networkType === 'VLAN') continue;
    const tunnelPeer = { networkUid, tunnelEndpoint };
    yield entry(objectKeys.tunnelPeer(networkUid, tunnelEndpoint), tenant, {
      case: 'tunnelPeer',
      value: tunnelPeer,
    });
  }
  for (const { name, tenant, networkUid, dpu: home, vf, mac, addresses } of PORTS) {
    const common = { portUid: name, networkUid, macAddress: mac, ipAddresses: [...addresses] };
    const network = NETWORKS.find(({ uid }) => uid === networkUid);
    if (home === dpu) {
      const value = { ...common, representor: `pf0vf${vf}`, adminUp: true };
      yield entry(objectKeys.endpoint(name), tenant, { case: 'endpoint', value });
    } else if (network?.networkType === 'GENEVE') {
      const value = { ...common, tunnelEndpoint };
      yield entry(objectKeys.remoteEndpoint(name), tenant, { case: 'remoteEndpoint', value });
    }
  }
}
