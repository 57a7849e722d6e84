import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Delivery } from '@outboard/bus';
import { DocumentDigest } from '@outboard/contracts';
import { RefusingStore, settled, until } from '@outboard/resource-service/testing';
import { openMemoryStore, openSqliteStore, type Store } from '@outboard/store';
import fc from 'fast-check';
import { functionOf, NetworkLaboratory } from './network-laboratory.js';

const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'];

async function openStore(kind: string): Promise<{ store: Store; remove: () => void }> {
  if (kind === 'memory') return { store: openMemoryStore(), remove: () => {} };
  const directory = mkdtempSync(join(tmpdir(), 'outboard-network-intent-'));
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite'), durability: 'NORMAL' });
  return { store, remove: () => rmSync(directory, { recursive: true }) };
}

/** Every port is ready on its DPU, and every worker has exactly its document. */
async function converged(laboratory: NetworkLaboratory, ports: readonly string[]): Promise<void> {
  await laboratory.quiet();
  for (const worker of laboratory.workers.values()) {
    await worker.sync();
    await worker.idle();
  }
  await laboratory.quiet();
  for (const name of ports) {
    expect([name, laboratory.condition(name, 'Ready')]).toEqual([name, 'True AppliedAndReadBack']);
    const { applied, total } = laboratory.port(name)?.status.propagated ?? { applied: 0, total: 1 };
    expect([name, applied]).toEqual([name, total]);
  }
  for (const worker of laboratory.workers.values()) {
    const held = [...worker.entries].map(([key, object]) => ({ key, object }));
    worker.reboot();
    await worker.sync();
    await worker.idle();
    expect(DocumentDigest.of(held).toBytes()).toEqual(worker.version.digest);
  }
}

describe.each(['memory', 'SQLite'])('a service that starts again, with a store in %s', (kind) => {
  let laboratory: NetworkLaboratory;
  let remove: () => void;
  afterEach(async () => {
    await laboratory.close();
    remove();
  });

  it('has lost nothing, compiles the same documents, and has its workers converge without a fetch', async () => {
    const opened = await openStore(kind);
    remove = opened.remove;
    laboratory = await NetworkLaboratory.open(opened.store);
    const workers = await laboratory.fleet(DPUS, 4);
    await laboratory.blue();
    const names = DPUS.flatMap((dpu) => [0, 1, 2].map((vfNumber) => `${dpu}-${vfNumber}`));
    const spec = (name: string) => ({
      network: 'blue',
      function: functionOf(name.slice(0, 5), Number(name.slice(6))),
    });
    await Promise.all(names.map((name) => laboratory.apply('Port', name, spec(name))));
    await laboratory.quiet();
    const before = workers.map((worker) => worker.keys());
    const stored = names.map((name) => laboratory.port(name));
    // Admin is away meanwhile: what is known of DPUs and functions is stored with the rest.
    laboratory.admin.isAway = true;
    await laboratory.restart();
    for (const worker of workers) {
      worker.answers.length = 0;
      await worker.sync();
      expect(worker.answers).toEqual(['deltas']);
      await worker.sync();
      expect(worker.answers).toEqual(['deltas', 'current']);
    }
    await laboratory.quiet();
    expect(workers.map((worker) => worker.keys())).toEqual(before);
    expect(names.map((name) => laboratory.port(name))).toEqual(stored);
    await laboratory.apply('Port', 'more', { network: 'blue', function: functionOf('dpu-1', 3) });
    await converged(laboratory, [...names, 'more']);
  });

  it('in the midst of everything obeys every intent once: nothing lost, nothing doubled', async () => {
    const opened = await openStore(kind);
    remove = opened.remove;
    laboratory = await NetworkLaboratory.open(opened.store);
    await laboratory.fleet(DPUS, 40);
    await laboratory.blue();
    const names = DPUS.flatMap((dpu) => Array.from({ length: 30 }, (_, index) => `${dpu}-${index}`));
    let handled = 0;
    let restarting: Promise<void> | undefined;
    laboratory.disturb = async (_, handle) => {
      await handle();
      handled++;
      // The settlement is lost, as when the process dies before it is sent.
      if (handled % 7 === 0) throw new Error('killed');
      if (handled === 40) restarting = laboratory.restart();
    };
    for (const name of names) {
      const spec = { network: 'blue', function: functionOf(name.slice(0, 5), Number(name.slice(6))) };
      await laboratory.publish('Port', name, spec);
    }
    await until(() => restarting);
    await restarting;
    await until(() => {
      void laboratory.clock.advance(500);
      return names.every((name) => laboratory.transitions(name).includes('accepted'));
    });
    laboratory.disturb = (_, handle) => handle();
    await laboratory.clock.advance(1_000);
    await converged(laboratory, names);
    for (const name of names) {
      const accepted = laboratory.transitions(name).filter((transition) => transition === 'accepted');
      expect([name, accepted]).toEqual([name, ['accepted']]);
    }
    const addresses = names.map((name) => laboratory.port(name)?.status.addresses[0]?.ip);
    expect(new Set(addresses).size).toBe(names.length);
  });
});

describe('whatever happens to messages and commits', () => {
  let laboratory: NetworkLaboratory;
  let store: RefusingStore;
  afterEach(() => laboratory.close());

  it('a failed commit leaves no trace in documents: workers hear only of what is stored', async () => {
    store = new RefusingStore(openMemoryStore());
    laboratory = await NetworkLaboratory.open(store);
    const [one, two] = await laboratory.fleet(['dpu-1', 'dpu-2'], 4);
    await laboratory.blue();
    const spec = (dpu: string, vfNumber: number) => ({
      network: 'blue',
      function: functionOf(dpu, vfNumber),
    });
    await laboratory.apply('Port', 'a', spec('dpu-1', 0));
    await laboratory.apply('Port', 'b', spec('dpu-2', 0));
    await laboratory.quiet();
    // One of them has missed what was stored last: it is told that, and not what could not be stored after it.
    if (one) one.isCutOff = true;
    await laboratory.apply('Port', 'd', spec('dpu-1', 2));
    await laboratory.quiet();
    if (one) one.isCutOff = false;
    const before = two?.version;
    store.isDiskFull = true;
    await laboratory.publish('Port', 'c', spec('dpu-1', 1));
    await laboratory.publish('Port', 'b', undefined);
    await settled(200);
    await Promise.all([one?.sync(), two?.sync()]);
    const uids = ['a', 'd'].map((name) => laboratory.port(name)?.metadata.uid);
    expect(one?.keys('endpoint')).toEqual(uids.map((uid) => `endpoint/${uid}`).sort());
    expect(two?.version.digest).toEqual(before?.digest);
    expect(laboratory.port('c')).toBeUndefined();
    store.isDiskFull = false;
    await laboratory.clock.advance(5_000);
    await until(() => laboratory.transitions('c').includes('accepted'));
    await until(() => laboratory.transitions('b').includes('deleted'));
    await converged(laboratory, ['a', 'c', 'd']);
    expect(two?.keys()).toEqual([]);
  });

  it('reports that came while nothing could be stored are asked for again: no port stays behind', async () => {
    store = new RefusingStore(openMemoryStore());
    laboratory = await NetworkLaboratory.open(store);
    const workers = await laboratory.fleet(DPUS, 4);
    await laboratory.blue();
    for (const dpu of DPUS)
      await laboratory.apply('Port', dpu, { network: 'blue', function: functionOf(dpu, 0) });
    await laboratory.quiet();
    for (const worker of workers) worker.isReporting = false;
    await laboratory.apply('Port', 'late', { network: 'blue', function: functionOf('dpu-1', 1) });
    await laboratory.quiet();
    // The others report first, which alone is no news for callers and is not stored; then the disk is full.
    await workers[1]?.report();
    await workers[2]?.report();
    store.isDiskFull = true;
    await workers[0]?.report();
    store.isDiskFull = false;
    for (const worker of workers) worker.isReporting = true;
    await workers[0]?.report();
    await converged(laboratory, [...DPUS, 'late']);
  });

  it('duplicates and reordering of every message change nothing in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat(9)), async (dice) => {
        const roll = (): number => dice.next().value ?? 0;
        laboratory = await NetworkLaboratory.open();
        const workers = await laboratory.fleet(DPUS, 4);
        await laboratory.blue();
        // Intents: handled twice, late, or again long after; what they answer gets lost now and then.
        const old: Delivery[] = [];
        laboratory.disturb = async (delivery, handle) => {
          old.push(delivery);
          if (roll() < 3) await settled(roll());
          await handle();
          const again = old[Math.floor((roll() * old.length) / 10)];
          if (roll() < 4 && again) await laboratory.service.handleIntent({ ...again, deliveries: 2 });
          if (roll() < 2) throw new Error('the settlement got lost');
        };
        const names = ['a', 'b', 'c', 'd'];
        for (let round = 0; round < 12; round++) {
          const name = names[round % names.length] ?? 'a';
          const dpu = DPUS[roll() % DPUS.length] ?? 'dpu-1';
          const spec =
            round < 8 && roll() < 2
              ? undefined
              : { network: 'blue', function: functionOf(dpu, names.indexOf(name)) };
          await laboratory.publish('Port', name, spec);
          // Deltas: lost, late and again.
          for (const worker of workers) {
            worker.isCutOff = roll() < 3;
            const delta = worker.deltas[Math.floor((roll() * worker.deltas.length) / 10)];
            if (delta && roll() < 5) await worker.receive(delta);
            if (roll() < 2) await worker.report();
          }
          if (roll() === 0) await laboratory.restart();
          await laboratory.clock.advance(100 * roll());
        }
        laboratory.disturb = (_, handle) => handle();
        for (const worker of workers) worker.isCutOff = false;
        await laboratory.clock.advance(10_000);
        await laboratory.quiet();
        await converged(laboratory, names);
        await laboratory.close();
      }),
      { numRuns: 10 },
    );
    laboratory = await NetworkLaboratory.open();
  });
});
