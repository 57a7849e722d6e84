/** The document of a DPU whose ports are measured: two networks of a router, the same ports with policies and without. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, objectKeys } from '@outboard/contracts';

const TENANT = 'acme';
const ROUTER = objectKeys.router(TENANT, 'main');
const POLICY = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c22';
const RULES = 8;
export const GATEWAY_MAC = '0e:00:00:00:00:01';
export const MTU = 1450;

/** What is compared: a path made by hand, ours, and ours with policies at both ends. */
export const SETS = ['bare', 'open', 'policed'] as const;
export type PathSet = (typeof SETS)[number];

/** The pods of each: traffic goes to the server, from one on its DPU, from one on another DPU, from another network. */
const ROLES = {
  server: { dpu: 'dpu-1', network: 1, number: 10 },
  near: { dpu: 'dpu-1', network: 1, number: 20 },
  routed: { dpu: 'dpu-1', network: 2, number: 30 },
  far: { dpu: 'dpu-2', network: 1, number: 40 },
} as const;
export type Role = keyof typeof ROLES;

export interface BenchPort {
  readonly name: string;
  readonly set: PathSet;
  readonly role: Role;
  readonly dpu: string;
  readonly vf: number;
  readonly network: number;
  readonly ip: string;
  readonly mac: string;
}

const vfs: Record<string, number> = {};
export const BENCH_PORTS: readonly BenchPort[] = SETS.flatMap((set, index) =>
  (Object.keys(ROLES) as Role[]).map((role) => {
    const { dpu, network, number } = ROLES[role];
    const vf = vfs[dpu] ?? 0;
    vfs[dpu] = vf + 1;
    const last = number + index;
    const mac = `02:00:5e:00:b${network}:${last}`;
    return { name: `${set}-${role}`, set, role, dpu, vf, network, ip: `10.77.${network}.${last}`, mac };
  }),
);

const uidOf = (network: number): string => `0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c0${network}`;

type ObjectInit = NonNullable<MessageInitShape<typeof DataplaneObjectSchema>['object']>;
const entry = (key: string, object: ObjectInit) => {
  const source = { kind: 'Port', tenant: TENANT, name: 'bench' };
  return [key, toBinary(DataplaneObjectSchema, create(DataplaneObjectSchema, { source, object }))] as const;
};

/** Rules that do not match, and behind them one that does. */
const rules = Array.from({ length: RULES }, (_, index) => {
  const prefix = index < RULES - 1 ? `172.16.${index}.0/24` : '10.0.0.0/8';
  return {
    name: `rule-${index}`,
    action: 'ALLOW',
    peers: [{ peer: { case: 'cidr', value: { prefix } } as const }],
    services: [{ protocol: 6 }, { protocol: 1 }],
  };
});

/** @param policies false: the driver has none; ports that were to have some are left out. */
export function* trafficDocument(
  dpu: string,
  underlayOf: (dpu: string) => string,
  policies: boolean,
): Generator<readonly [string, Uint8Array]> {
  yield entry(ROUTER, { case: 'router', value: { tenant: TENANT, name: 'main' } });
  const ruleSet = objectKeys.ruleSet(POLICY, 'main');
  if (policies) {
    const value = { policyUid: POLICY, router: ROUTER, tier: 'DEFAULT', ingress: rules, egress: rules };
    yield entry(ruleSet, { case: 'ruleSet', value });
  }
  for (const network of [1, 2]) {
    const networkUid = uidOf(network);
    const value = { networkUid, router: ROUTER, vni: 100 + network, mtu: MTU };
    yield entry(objectKeys.bridgeDomain(networkUid), { case: 'bridgeDomain', value });
    const gateway = {
      networkUid,
      router: ROUTER,
      macAddress: GATEWAY_MAC,
      addresses: [`10.77.${network}.1/24`],
    };
    yield entry(objectKeys.routerInterface(networkUid), { case: 'routerInterface', value: gateway });
    const tunnelEndpoint = underlayOf(dpu === 'dpu-1' ? 'dpu-2' : 'dpu-1');
    const peer = { networkUid, tunnelEndpoint };
    yield entry(objectKeys.tunnelPeer(networkUid, tunnelEndpoint), { case: 'tunnelPeer', value: peer });
  }
  for (const { name, set, dpu: home, vf, network, ip, mac } of BENCH_PORTS) {
    if (set === 'bare' || (set === 'policed' && !policies)) continue;
    const common = { portUid: name, networkUid: uidOf(network), macAddress: mac, ipAddresses: [ip] };
    if (home === dpu) {
      const own =
        set === 'policed' ? { ruleSets: [ruleSet], isolatedIngress: true, isolatedEgress: true } : {};
      const value = { ...common, ...own, representor: `pf0vf${vf}`, adminUp: true };
      yield entry(objectKeys.endpoint(name), { case: 'endpoint', value });
    } else {
      const value = { ...common, tunnelEndpoint: underlayOf(home) };
      yield entry(objectKeys.remoteEndpoint(name), { case: 'remoteEndpoint', value });
    }
  }
}
