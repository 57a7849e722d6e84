// What questions about the network cost: which flows a change of one policy opens and closes, among many ports.
import { performance } from 'node:perf_hooks';
import { differenceOf, type PlannedResource } from '@outboard/planner';
import { applying, functionOf, PlannedFleet } from '../planned-fleet.js';
import { median, note, quantile, report } from '../report.js';
import { sized } from '../sizes.js';

const BENCH = 'network';
const PORTS = sized(100_000, 1_000);
const NETWORKS = sized(100, 10);
const APPS = 100;
const DPUS = sized(100, 10);

const fleet = new PlannedFleet();
const apply = (...manifest: Parameters<typeof applying>): PlannedResource =>
  fleet.decide(applying(...manifest));

/**
 * A router per network, and each network on a DPU of its own: where ports are does not matter here, only how long it
 * takes to build them. 1,000 ports of 100 applications in each, a policy for each application.
 */
function buildPorts(): void {
  for (let index = 0; index < NETWORKS; index++) {
    apply('Router', `router-${index}`, {});
    apply('Network', `net-${index}`, { router: `router-${index}` });
    apply('Subnet', `net-${index}-v4`, { network: `net-${index}`, cidr: `10.${index}.0.0/16` });
  }
  const perDpu = PORTS / DPUS;
  for (let index = 0; index < PORTS; index++) {
    const dpu = Math.floor(index / perDpu);
    const network = Math.floor((index * NETWORKS) / PORTS);
    const spec = {
      network: `net-${network}`,
      function: functionOf(dpu, index % perDpu),
    };
    apply('Port', `port-${index}`, spec, { app: `app-${index % APPS}` });
  }
  fleet.commit();
  for (let index = 0; index < APPS; index++) apply('SecurityPolicy', `app-${index}`, policySpec(index, 8080));
  fleet.commit();
}

const policySpec = (index: number, port: number) => ({
  portSelector: { matchLabels: { app: `app-${index}` } },
  ingress: [
    {
      name: 'clients',
      peers: [1, 2, 3].map((step) => ({
        portSelector: { matchLabels: { app: `app-${(index + step) % APPS}` } },
      })),
      services: [{ protocol: 'TCP', port }],
    },
  ],
});

note(`${PORTS} ports in ${NETWORKS} networks on ${DPUS} DPUs, ${APPS} policies; building them takes a while`);
fleet.build(DPUS, PORTS / DPUS);
buildPorts();
/** Milliseconds of 50 questions after 10 for warming up: what does the policy of an application open and close as this? */
function ask(specOf: (index: number, round: number) => ReturnType<typeof policySpec>): {
  readonly wall: number;
  readonly processor: number;
} {
  const milliseconds: number[] = [];
  const processor: number[] = [];
  let flows = 0;
  for (let round = 0; round < 60; round++) {
    const index = round % APPS;
    const change = applying('SecurityPolicy', `app-${index}`, specOf(index, round));
    const existing = fleet.world.policies.policies.get(`acme/app-${index}`)?.record.resource;
    if (!existing || change.operation !== 'apply') throw new Error(`no policy app-${index}`);
    const resource = { ...existing, spec: change.intent.spec } as PlannedResource;
    const decision = { revision: fleet.revision, changes: [], bindings: [], resource };
    const [start, used] = [performance.now(), process.cpuUsage()];
    const closures = { before: new Map(), after: new Map() };
    const planned = { decision, tables: { before: [], after: [] }, closures };
    const difference = differenceOf(fleet.world, change, planned);
    const taken = performance.now() - start;
    const { user, system } = process.cpuUsage(used);
    if (round >= 10) milliseconds.push(taken);
    if (round >= 10) processor.push((user + system) / 1000);
    flows = difference?.total ?? 0;
  }
  if (flows === 0) throw new Error('each of these changes opens and closes flows');
  const [p10, p99] = [0.1, 0.99].map((share) => `${quantile(milliseconds, share).toFixed(2)} ms`);
  note(`the last change opens and closes ${flows} sorts of flows; p10 ${p10}, p99 ${p99}`);
  return { wall: median(milliseconds), processor: median(processor) };
}

const ruled = ask((index, round) => policySpec(index, 9000 + round));
const selecting = ask((index) => ({
  ...policySpec(index, 8080),
  portSelector: { matchLabels: { app: `app-${(index + 50) % APPS}` } },
}));
const common = { bench: BENCH, unit: 'ms', baseline: null, ratio: null };
const what = `a policy opens and closes, ${PORTS} ports`;
const isMet = ruled.wall <= 10;
report({ ...common, metric: `flows that ${what}`, value: ruled.wall, bar: 'value <= 10 ms', ok: isMet });
report({ ...common, metric: 'of it processor time', value: ruled.processor, bar: 'stated', ok: true });
const other = `flows that ${what}, when it selects others`;
report({ ...common, metric: other, value: selecting.wall, bar: 'stated', ok: true });
report({ ...common, metric: 'of it processor time', value: selecting.processor, bar: 'stated', ok: true });
