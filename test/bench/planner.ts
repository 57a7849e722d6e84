// What the planner costs: a decision with the changes of all documents that it touches, a whole document, a start.
// `npm run bench -- planner [--json] [--quick]`.
import type { Name } from '@outboard/model';
import { type Command, compileDocument, observe, type StoredRecord, World } from '@outboard/planner';
import { applying, functionOf, PlannedFleet } from './planned-fleet.js';
import { median, note, quantile, teller } from './report.js';
import { isQuick, sized } from './sizes.js';

/** What is timed of it. */
class Fleet extends PlannedFleet {
  /** Milliseconds that a command alone in its group takes, with all document changes. */
  time(command: Command): number {
    const start = performance.now();
    this.decide(command);
    this.commit();
    return performance.now() - start;
  }

  /** Every worker has applied everything. */
  confirmAll(): void {
    for (const name of this.world.dpus.keys()) {
      const dpu = name as Name;
      const sequence = this.world.documents.sequence(dpu);
      observe(this.world, { dpu, sequence, problems: [], problemTotal: 0 }, this.context());
    }
    this.commit();
  }

  records(): StoredRecord[] {
    const { routers, networks, subnets, ports, dpus, functions, releases } = this.world;
    return [
      ...[routers, networks, subnets, ports, dpus, releases].flatMap((entries) =>
        [...(entries as Map<string, { record: StoredRecord }>).values()].map(({ record }) => record),
      ),
      ...functions.values(),
    ];
  }
}

const apply = (kind: string, name: string, spec: object): Command =>
  applying(kind, name, spec, { app: 'web' });

const portOf = (name: string, network: string, dpu: number, vfNumber: number, more: object = {}): Command =>
  apply('Port', name, {
    network,
    function: functionOf(dpu, vfNumber),
    ...more,
  });

const tell = teller('planner');

/** Commands in one commit: few enough that most groups run undisturbed on a busy machine. */
const GROUP = 16;

/** Networks of `span` DPUs each, with `ports` ports in turn on these; microseconds per port in a group, the median. */
function fill(fleet: Fleet, networks: number, span: number, ports: number): number {
  const dpus = fleet.world.dpus.size;
  const nextFunction = new Array<number>(dpus).fill(0);
  const commands: Command[] = [];
  for (let network = 0; network < networks; network++) {
    fleet.decide(apply('Router', `router-${network}`, {}));
    fleet.decide(apply('Network', `net-${network}`, { router: `router-${network}` }));
    fleet.decide(apply('Subnet', `sub-${network}`, { network: `net-${network}`, cidr: '10.0.0.0/16' }));
    for (let port = 0; port < ports; port++) {
      const dpu = (network * span + (port % span)) % dpus;
      const vfNumber = nextFunction[dpu] ?? 0;
      nextFunction[dpu] = vfNumber + 1;
      commands.push(portOf(`port-${network}-${port}`, `net-${network}`, dpu, vfNumber));
    }
  }
  fleet.commit();
  const perPort: number[] = [];
  for (let first = 0; first < commands.length; first += GROUP) {
    const group = commands.slice(first, first + GROUP);
    const start = performance.now();
    for (const command of group) fleet.decide(command);
    fleet.commit();
    perPort.push(((performance.now() - start) * 1000) / group.length);
  }
  return median(perPort);
}

/** Changes one port, again and again, in a world that is otherwise at rest: another MAC address, seen by all. */
function changes(fleet: Fleet, count: number, port: (index: number) => Command): number[] {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const command = port(index);
    times.push(fleet.time(command));
    if (index % 100 === 99) fleet.confirmAll();
  }
  return times.slice(count / 10);
}

const macOf = (index: number): string =>
  `06:00:00:${[16, 8, 0].map((shift) => ((index >> shift) & 255).toString(16).padStart(2, '0')).join(':')}`;

const thousands = (count: number): string => count.toLocaleString('en');

function twoDpuNetworks(): void {
  const dpus = sized(1000, 20);
  const networks = 2 * dpus;
  note(`networks of 2 DPUs, 10 ports each: ${thousands(networks * 10)} ports`);
  const fleet = new Fleet();
  fleet.build(dpus, 20);
  const perPort = fill(fleet, networks, 2, 10);
  tell('port created in a 2-DPU network, decided and compiled', perPort, 'us', 40);
  fleet.confirmAll();
  const times = changes(fleet, networks, (index) =>
    portOf(`port-${index}-0`, `net-${index}`, (index * 2) % dpus, Math.floor((index * 2) / dpus) * 5, {
      macAddress: macOf(index),
    }),
  );
  tell('port changed in a 2-DPU network, alone in its group', median(times) * 1000, 'us', 100);
}

/** Of each network: its DPUs and ports. */
const SPAN = 10;
const PORTS = 100;
/** Networks, on as many DPUs. */
const SIZES = isQuick ? [10, 20] : [10, 100, 1000];
/** Of one port, one after the other. */
const CHANGES = sized(3000, 60);
const REPORTS = sized(2000, 40);

/** A world of such networks, and what one change costs there. */
function tenDpuNetworks(networks: number): { fleet: Fleet; change: (index: number) => Command } {
  const ports = `${thousands(networks * PORTS)} ports`;
  note(`${networks} networks of ${SPAN} DPUs, ${PORTS} ports each, on ${networks} DPUs: ${ports}`);
  const fleet = new Fleet();
  fleet.build(networks, PORTS);
  tell(`${ports}: port created`, fill(fleet, networks, SPAN, PORTS), 'us');
  fleet.confirmAll();
  const change = (index: number) => {
    const network = index % networks;
    const dpu = (network * SPAN) % networks;
    // Networks that begin at one DPU have their first ports on its functions one after the other.
    const vfNumber = Math.floor((network * SPAN) / networks) * SPAN;
    return portOf(`port-${network}-0`, `net-${network}`, dpu, vfNumber, { macAddress: macOf(index + 1) });
  };
  const times = changes(fleet, CHANGES, change);
  tell(`${ports}: port changed, median`, median(times) * 1000, 'us', 100);
  tell(`${ports}: port changed, p99`, quantile(times, 0.99) * 1000, 'us', 5000);
  return { fleet, change };
}

function fleetSizes(): void {
  for (const networks of SIZES.slice(0, -1)) tenDpuNetworks(networks);
  const networks = SIZES.at(-1) ?? 0;
  const { fleet, change } = tenDpuNetworks(networks);

  const reports: number[] = [];
  for (let index = CHANGES; index < CHANGES + REPORTS; index++) {
    fleet.time(change(index));
    const dpu = `dpu-${(index * SPAN) % networks}` as Name;
    const sequence = fleet.world.documents.sequence(dpu);
    const start = performance.now();
    observe(fleet.world, { dpu, sequence, problems: [], problemTotal: 0 }, fleet.context());
    reports.push(performance.now() - start);
    fleet.commit();
  }
  tell('report of one applied port, median', median(reports) * 1000, 'us');
  fleet.confirmAll();

  const compiling = performance.now();
  let objects = 0;
  for (const name of fleet.world.dpus.keys())
    objects += compileDocument(fleet.world, name as Name).objects.length;
  tell(`documents of all DPUs (${objects} objects)`, (performance.now() - compiling) / 1000, 's', 10);

  const records = JSON.parse(JSON.stringify(fleet.records())) as StoredRecord[];
  fleet.world = World.load([], 1);
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  const loading = performance.now();
  fleet.world = World.load(records, fleet.revision + 1);
  tell('world loaded from its records', (performance.now() - loading) / 1000, 's', 10);
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  tell('memory of the world beside its records', (heapUsed - heap + arrayBuffers) / 2 ** 20, 'MiB');
}

function wideNetwork(): void {
  const dpus = sized(1000, 20);
  note(`one network over ${thousands(dpus)} DPUs, ${thousands(2 * dpus)} ports`);
  const fleet = new Fleet();
  fleet.build(dpus, 2);
  fill(fleet, 1, dpus, 2 * dpus);
  fleet.confirmAll();
  const times = changes(fleet, sized(100, 10), (index) =>
    portOf(`port-0-${index}`, 'net-0', index, 0, { macAddress: macOf(index) }),
  );
  tell(`port changed in a ${thousands(dpus)}-DPU network, per DPU`, median(times), 'us', 50);
}

function largeSubnet(): void {
  const [dpus, ports] = [60, sized(60_000, 600)];
  // Of so many is one deleted, and comes again.
  const step = sized(100, 10);
  note(`one /16 with ${thousands(ports)} ports on ${dpus} DPUs`);
  const fleet = new Fleet();
  fleet.build(dpus, ports / dpus + 10);
  fill(fleet, 1, dpus, ports);
  fleet.confirmAll();
  const times: number[] = [];
  for (let index = 0; index < sized(500, 50); index++) {
    const name = `port-0-${index * step}`;
    times.push(fleet.time({ operation: 'delete', kind: 'Port', tenant: 'acme', name }));
    if (index % 50 === 49) fleet.confirmAll();
    const dpu = (index * step) % dpus;
    const vfNumber = Math.floor((index * step) / dpus);
    times.push(fleet.time(portOf(`again-${index}`, 'net-0', dpu, vfNumber)));
  }
  tell(`port deleted or created in a /16 of ${thousands(ports)}, median`, median(times) * 1000, 'us');
  tell(
    `port deleted or created in a /16 of ${thousands(ports)}, p99`,
    quantile(times, 0.99) * 1000,
    'us',
    5000,
  );
}

twoDpuNetworks();
fleetSizes();
wideNetwork();
largeSubnet();
