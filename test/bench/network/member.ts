/**
 * One member added to a group on a DPU with 10,000 policies and 100,000 members: from the delta to its report, which tells
 * that the element was read back, against the same change through `nft -f`.
 */
import { execFileSync } from 'node:child_process';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, objectKeys } from '@outboard/contracts';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine, type DocumentUpdate, LinuxDriver, type ObjectProblem } from '@outboard/dataplane';
import { NetworkNamespace } from '@outboard/netlink';
import { Testbed } from '@outboard/testbed';
import { median, note, quantile, report } from '../report.js';
import { removeRoutersAtEnd } from '../routers.js';
import { sized } from '../sizes.js';

const BENCH = 'network';
const POLICIES = sized(10_000, 20);
const GROUPS = sized(1_000, 10);
const MEMBERS = sized(100_000, 100);
const ROUNDS = sized(200, 5);
const BASELINE_ROUNDS = sized(5, 1);
const BAR_MILLISECONDS = 1;
const TENANT = 'acme';
const ROUTER_NAME = 'main';
const ROUTER = objectKeys.router(TENANT, ROUTER_NAME);
const EPOCH = 'bench';

type ObjectInit = NonNullable<MessageInitShape<typeof DataplaneObjectSchema>['object']>;
type Entry = readonly [key: string, object: Uint8Array];

const entry = (key: string, object: ObjectInit): Entry => {
  const source = { kind: 'SecurityPolicy', tenant: TENANT, name: 'bench' };
  return [key, toBinary(DataplaneObjectSchema, create(DataplaneObjectSchema, { source, object }))];
};
const groupId = (group: number): string => group.toString(16).padStart(16, '0');
const groupKey = (group: number): string => objectKeys.addressGroup(TENANT, ROUTER_NAME, groupId(group));
const addressOf = (member: number): string =>
  `10.${(member >> 16) & 255}.${(member >> 8) & 255}.${member & 255}`;

const member = (group: number, address: string): Entry =>
  entry(objectKeys.addressGroupMember(TENANT, ROUTER_NAME, groupId(group), address), {
    case: 'addressGroupMember',
    value: { addressGroup: groupKey(group), address },
  });

function* document(): Generator<Entry> {
  yield entry(ROUTER, { case: 'router', value: { tenant: TENANT, name: ROUTER_NAME } });
  for (let group = 0; group < GROUPS; group++) {
    yield entry(groupKey(group), { case: 'addressGroup', value: { router: ROUTER } });
  }
  for (let index = 0; index < MEMBERS; index++) yield member(index % GROUPS, addressOf(index));
  for (let policy = 0; policy < POLICIES; policy++) {
    const policyUid = `00000000-0000-7000-8000-${policy.toString(16).padStart(12, '0')}`;
    const peers = [{ peer: { case: 'addressGroup', value: groupKey(policy % GROUPS) } as const }];
    const services = [{ protocol: 6, firstPort: 80, lastPort: 90 }];
    const ingress = [{ name: 'web', action: 'ALLOW', peers, services }];
    yield entry(objectKeys.ruleSet(policyUid, ROUTER_NAME), {
      case: 'ruleSet',
      value: { policyUid, router: ROUTER, tier: 'DEFAULT', ingress },
    });
  }
}

let sequence = 0n;
const versioned = () => ({ epoch: EPOCH, sequence: ++sequence, digest: new Uint8Array(16) });

async function measureMember(): Promise<void> {
  const name = `n${process.pid.toString(36)}`;
  removeRoutersAtEnd(name);
  const testbed = await Testbed.create({
    name,
    dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 1 }],
  });
  const dpu = testbed.dpu('dpu-1');
  const driver = await LinuxDriver.open({
    dpu: name,
    underlayDevice: dpu.plan.underlay.device,
    namespace: NetworkNamespace.open({ name: dpu.plan.namespace }),
  });
  const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
  const waiting = new Set<(told: { sequence: bigint; problems: readonly ObjectProblem[] }) => void>();
  engine.onReport(({ version, problems }) => {
    for (const heard of waiting) heard({ sequence: version.sequence, problems });
  });

  /** Milliseconds from the submission of a document or delta to the report that all of it was read back. */
  function applied(update: DocumentUpdate): Promise<number> {
    return new Promise((resolve, reject) => {
      const startedAt = systemClock.monotonic();
      const heard = ({
        sequence: told,
        problems,
      }: {
        sequence: bigint;
        problems: readonly ObjectProblem[];
      }): void => {
        if (told !== update.version.sequence || problems.some(({ isUnderWay }) => isUnderWay)) return;
        waiting.delete(heard);
        if (problems.length > 0) reject(new Error(problems[0]?.message));
        else resolve(systemClock.monotonic() - startedAt);
      };
      waiting.add(heard);
      engine.submit(update);
    });
  }

  try {
    await engine.start();
    const loading = await applied({ owner: 'network', version: versioned(), complete: new Map(document()) });
    note(
      `${POLICIES} policies, ${GROUPS} groups and ${MEMBERS} members loaded in ${(loading / 1000).toFixed(1)} s`,
    );
    await engine.settled();

    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const upserts = new Map([member(round % GROUPS, `172.16.${round >> 8}.${round & 255}`)]);
      times.push(await applied({ owner: 'network', version: versioned(), upserts, deletes: [] }));
    }

    const [routerNamespace = ''] = NetworkNamespace.list(`ob-${name}`);
    const namespace = NetworkNamespace.open({ name: routerNamespace });
    const baseline: number[] = [];
    for (let round = 0; round < BASELINE_ROUNDS; round++) {
      const input = `add element inet outboard-policies group4-${groupId(round)} { 172.31.0.${round} }\n`;
      const startedAt = systemClock.monotonic();
      namespace.run(() => execFileSync('nft', ['-f', '-'], { input }));
      baseline.push(systemClock.monotonic() - startedAt);
    }
    namespace.close();

    const value = median(times);
    report({
      bench: BENCH,
      metric: 'one member of a group: delta to read back, median; against nft -f, which reads nothing back',
      value,
      unit: 'ms',
      baseline: median(baseline),
      ratio: median(baseline) / value,
      bar: `value <= ${BAR_MILLISECONDS} ms`,
      ok: value <= BAR_MILLISECONDS,
    });
    const late = quantile(times, 0.99);
    report({
      bench: BENCH,
      metric: 'the same, 99th percentile',
      value: late,
      unit: 'ms',
      baseline: null,
      ratio: null,
      bar: null,
      ok: true,
    });
  } finally {
    await engine[Symbol.asyncDispose]();
    await driver[Symbol.asyncDispose]();
    await testbed.dispose();
  }
}

await measureMember();
