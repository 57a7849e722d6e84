import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { link, linkByName, NetworkNamespace } from '@outboard/netlink';
import { Testbed } from '@outboard/testbed';
import { type ConformanceWorld, driverConformance } from '../conformance-suite.js';
import { parseAlias } from '../realise/names.js';
import { OpenFlowClient } from './openflow/client.js';
import { addFlow, type Flow, monitorFlows, readFlowUpdates, removeFlow } from './openflow/messages.js';
import { OvsDriver } from './ovs-driver.js';
import { Database } from './ovsdb/database.js';
import { bridgeSocket, databaseSocket, stopSwitch } from './processes.js';
import { INTEGRATION_BRIDGE, type OvsSpec, TABLE, UNDERLAY_BRIDGE } from './realise/ovs-objects.js';

const STRANGE_COOKIE = 0x5eedn;
const ALL_BITS = (1n << 64n) - 1n;
const NO_PORTS = { numberOf: () => undefined, nameOf: () => undefined };

/** The flows of the bridge with that cookie. */
const flowsWith = async (client: OpenFlowClient, cookie: bigint) =>
  (await client.request(monitorFlows(1)))
    .flatMap((part) => readFlowUpdates(part, NO_PORTS))
    .filter((update) => update.kind === 'put' && update.flow.cookie === cookie);

let worlds = 0;

/** A DPU of a testbed with an Open vSwitch of its own. */
async function ovsWorld(): Promise<ConformanceWorld<OvsSpec>> {
  const name = `o${process.pid.toString(36)}${++worlds}`;
  const directory = mkdtempSync(join(tmpdir(), 'outboard-ovs-'));
  const testbed = await Testbed.create({
    name,
    dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 4 }],
  });
  const dpu = testbed.dpu('dpu-1');
  const functionOf = (representor: string) => dpu.function(Number(representor.replace('pf0vf', '')));

  async function withDatabase<Value>(use: (database: Database) => Promise<Value>): Promise<Value> {
    const quiet = { onPorts: () => undefined, onClosed: () => undefined };
    const database = await Database.open(databaseSocket(directory), quiet);
    try {
      return await use(database);
    } finally {
      database.close();
    }
  }
  async function withFlows<Value>(use: (client: OpenFlowClient) => Promise<Value>): Promise<Value> {
    const quiet = {
      onMultipart: () => undefined,
      onForwardedRequest: () => undefined,
      onClosed: () => undefined,
    };
    const client = await OpenFlowClient.open(bridgeSocket(directory, INTEGRATION_BRIDGE), quiet);
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }
  /** The flow that a key of the table of forwarding names, which matches a network and a MAC address. */
  const flowOf = (key: string): Flow => {
    const [, table, priority, match = ''] = /^flow\/(\d+)\/(\d+)\/(.*)$/.exec(key) ?? [];
    const fields = Object.fromEntries(match.split(',').map((field) => field.split('=')));
    return { table: Number(table), priority: Number(priority), match: fields, actions: [] };
  };
  const isPort = (key: string): boolean => key.startsWith('port/');
  const nameOf = (key: string): string => key.slice(key.indexOf('/') + 1);

  return {
    open: () =>
      OvsDriver.open({
        directory,
        managed: true,
        underlayDevice: dpu.plan.underlay.device,
        namespace: NetworkNamespace.open({ name: dpu.plan.namespace }),
      }),
    async unplug(representor) {
      await dpu.socket.send(link.remove({ ifname: representor }));
    },
    async plug(representor) {
      await dpu.hostDevice(functionOf(representor));
    },
    canBeForeign: (key) => /^(link|port)\/pf/.test(key) || key.startsWith(`flow/${TABLE.FORWARD}/20/`),
    async placeForeign(key) {
      if (key.startsWith('link/')) {
        await dpu.socket.send(link.change({ ifname: nameOf(key), ifalias: 'somebody' }));
      } else if (isPort(key)) {
        await withDatabase((database) =>
          database.putPorts(UNDERLAY_BRIDGE, [{ name: nameOf(key), type: '', options: {}, externalIds: {} }]),
        );
      } else
        await withFlows((client) =>
          client.send([addFlow({ ...flowOf(key), cookie: STRANGE_COOKIE }, NO_PORTS)]),
        );
    },
    async removeForeign(key) {
      if (key.startsWith('link/')) await dpu.socket.send(link.change({ ifname: nameOf(key), ifalias: '' }));
      else if (isPort(key)) {
        await withDatabase((database) => database.removePorts(UNDERLAY_BRIDGE, [nameOf(key)]));
      } else
        await withFlows((client) =>
          client.send([removeFlow(flowOf(key), STRANGE_COOKIE, ALL_BITS, NO_PORTS)]),
        );
    },
    async isForeignIntact(key) {
      if (key.startsWith('link/')) {
        const found = await linkByName(dpu.socket, nameOf(key));
        return found !== undefined && parseAlias(found.ifalias) === undefined;
      }
      if (isPort(key))
        return withDatabase(async (database) => {
          const port = database.ports().get(nameOf(key));
          return port?.bridge === UNDERLAY_BRIDGE && Object.keys(port.externalIds).length === 0;
        });
      const all = await withFlows((client) => flowsWith(client, STRANGE_COOKIE));
      return all.length === 1;
    },
    async [Symbol.asyncDispose]() {
      await stopSwitch(directory);
      await testbed.dispose();
      rmSync(directory, { recursive: true });
    },
  };
}

driverConformance('ovs', ovsWorld, { walks: 10, faultStride: 41 });
