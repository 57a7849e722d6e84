import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { systemClock, systemRandom, unwrap } from '@outboard/core';
import { backupSqliteStore, openSqliteStore, restoreSqliteStore } from '@outboard/store';
import { BrokerLaboratory, encryptWith, sealedTo } from './broker-laboratory.js';

it('a database that was restored gives no epoch and no nonce prefix again, but what a DPU made keeps its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'outboard-broker-'));
  const path = join(folder, 'broker.sqlite');
  const backup = join(folder, 'backup.sqlite');
  const laboratory = await BrokerLaboratory.open(await openSqliteStore({ path, durability: 'NORMAL' }));
  await laboratory.neighbours.putDpu('dpu-a', { disk: 1 });
  await laboratory.quiet();
  await laboratory.worker('dpu-a');
  const key = (name: string, version: object) =>
    laboratory.apply('AccelerationKey', name, { algorithm: 'AES_256_GCM', versions: [version] });
  unwrap(await key('sealed', { version: 1, sealed: sealedTo(1) }));
  unwrap(await key('made', { version: 1, generatedOn: 'dpu-a' }));
  const programs = [...encryptWith('sealed'), { ...encryptWith('made')[0], id: 2 }];
  await laboratory.session('s', { programs });
  const prefixes = () =>
    Object.fromEntries(
      laboratory
        .objects('dpu-a')
        .flatMap((object) =>
          'versions' in object
            ? object.versions.map(({ material, noncePrefix }) => [material.case, noncePrefix])
            : [],
        ),
    );
  const before = prefixes();
  await laboratory.stop();
  await backupSqliteStore({ path, destination: backup });
  await laboratory.store[Symbol.asyncDispose]();
  const restored = join(folder, 'restored.sqlite');
  await restoreSqliteStore({ backup, path: restored, clock: systemClock, random: systemRandom });
  await laboratory.restart(await openSqliteStore({ path: restored, durability: 'NORMAL' }));
  await laboratory.workers.get('dpu-a')?.sync();
  await laboratory.quiet();
  // Nobody knows who has it.
  expect(laboratory.where('s')).toBe('dpu-a 1001 Placed Moved');
  await laboratory.leasesEnd();
  expect(laboratory.where('s')).toBe('dpu-a 1001 Placed Serving');
  expect(prefixes().generated).toBe(before.generated);
  expect(prefixes().sealed).toBe((before.sealed + 1 + 2 ** 24) % 2 ** 32);
  await laboratory.close();
  rmSync(folder, { recursive: true });
});
