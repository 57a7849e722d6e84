import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Bus, connectNats } from '@outboard/bus';
import { DataplaneObjectSchema, encodeBinary, objectKeys } from '@outboard/contracts';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine, SimDriver, SimSwitch } from '@outboard/dataplane';
import { type NatsServer, RecordingLog, startNatsServer } from '@outboard/testkit';
import { FakeOwner } from '../testing/fake-owner.js';
import { temporaryDirectory } from '../testing/temporary-directory.js';
import { createDataplaneWorker, type DataplaneWorker, DOCUMENT_OWNERS } from './worker.js';

const DPU = 'dpu-1';
const ROUTER = objectKeys.router('acme', 'main');

const router = encodeBinary(
  DataplaneObjectSchema,
  create(DataplaneObjectSchema, {
    source: { kind: 'Router', tenant: 'acme', name: 'main' },
    object: { case: 'router', value: { tenant: 'acme', name: 'main' } },
  }),
);

/** A network and its key. */
function network(number: number): Record<string, Uint8Array> {
  const networkUid = `0192f3c1-7a2e-7c1b-9d40-${String(number).padStart(12, '0')}`;
  const object = create(DataplaneObjectSchema, {
    source: { kind: 'Network', tenant: 'acme', name: `net-${number}` },
    object: { case: 'bridgeDomain', value: { networkUid, router: ROUTER, vni: 100 + number, mtu: 1450 } },
  });
  return { [objectKeys.bridgeDomain(networkUid)]: encodeBinary(DataplaneObjectSchema, object) };
}

describe('a worker on a real NATS server, with the engine on a simulated switch', () => {
  let vswitch: SimSwitch;
  let temporary: Awaited<ReturnType<typeof temporaryDirectory>>;
  let nats: NatsServer;
  let ownerBus: Bus;
  let owner: FakeOwner;
  let open: AsyncDisposable[];

  beforeEach(async () => {
    temporary = await temporaryDirectory();
    nats = await startNatsServer();
    ownerBus = await connectNats({ servers: nats.url, name: 'owner' });
    owner = new FakeOwner(ownerBus, DPU);
    await owner.serve();
    vswitch = new SimSwitch();
    open = [];
  });
  afterEach(async () => {
    for (const each of open.reverse()) await each[Symbol.asyncDispose]();
    await ownerBus[Symbol.asyncDispose]();
    await nats[Symbol.asyncDispose]();
    await temporary[Symbol.asyncDispose]();
  });

  async function startWorker(): Promise<DataplaneWorker> {
    const bus = await connectNats({ servers: nats.url, name: 'worker' });
    const driver = new SimDriver({ vswitch });
    const environment = { clock: systemClock, random: systemRandom };
    const owners = DOCUMENT_OWNERS;
    const worker = await createDataplaneWorker({
      ...environment,
      identity: {
        dpu: DPU,
        serialNumber: 'MT2113X00042',
        host: '',
        pfMacAddress: '',
        incarnation: 'boot-1',
        workerVersion: '0.1.0',
        kernelRelease: '6.18.0',
        architecture: 'x86_64',
      },
      owners,
      dataDirectory: temporary.path,
      driver,
      engine: createEngine({ driver, owners, ...environment }),
      bus: Promise.resolve(bus),
      log: new RecordingLog(),
    });
    open.push(bus, worker);
    await worker.ready;
    return worker;
  }

  /** The report that everything up to now is applied and read back. */
  const applied = () => {
    const { epoch, sequence } = owner.version;
    return owner.reported(
      ({ version, problemTotal }) =>
        version?.epoch === epoch && version.sequence === sequence && problemTotal === 0,
    );
  };
  /** Each network has a group of who gets what is for all. */
  const networks = () => vswitch.keys().filter((key) => vswitch.get(key)?.spec.kind === 'group');

  it('makes what the document says, follows its changes, and reports each', async () => {
    owner.change({ [ROUTER]: router, ...network(1) });
    const first = applied();
    await startWorker();
    await first;
    expect(networks()).toHaveLength(1);
    owner.change(network(2));
    await applied();
    expect(networks()).toHaveLength(2);
    owner.change({}, Object.keys(network(1)));
    await applied();
    expect(networks()).toHaveLength(1);
  });

  it('catches up after the broker was away, and after its owner began a new epoch', async () => {
    await startWorker();
    await nats.kill();
    owner.change({ [ROUTER]: router, ...network(1) }, [], true);
    const caughtUp = applied();
    await nats.start();
    await caughtUp;
    expect(networks()).toHaveLength(1);
    owner.startEpoch('two');
    owner.change({ [ROUTER]: router, ...network(1), ...network(2) });
    await applied();
    expect(networks()).toHaveLength(2);
  });

  it('leaves everything as it is when it ends, and prunes at the next start what it missed', async () => {
    owner.change({ [ROUTER]: router, ...network(1), ...network(2) });
    const first = applied();
    const worker = await startWorker();
    await first;
    await worker[Symbol.asyncDispose]();
    expect(networks()).toHaveLength(2);
    owner.change({}, Object.keys(network(2)));
    const again = applied();
    await startWorker();
    await again;
    expect(networks()).toHaveLength(1);
  });
});
