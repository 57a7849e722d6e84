/**
 * A worker's data path in a process of its own. Prints where it is; answers each line on standard input with what its
 * sessions have done; ends with standard input.
 */
import { createInterface } from 'node:readline';
import { DataPathWorld, program, step } from '@outboard/acceleration/testing';

const SESSIONS = { heavier: 3, lighter: 1 };
const [light = '1', heavy = '1'] = process.argv.slice(2);
const world = await DataPathWorld.open({ threads: { LIGHT: Number(light), HEAVY: Number(heavy) } });
await world.importKey('k', 'AES_256_GCM', Buffer.alloc(32, 3));
const programs = [
  program(1, step('ENCRYPT', 'AES_256_GCM', 'k')),
  program(2, step('COMPRESS', 'ZSTD')),
  program(3, step('COMPRESS', 'ZSTD'), step('ENCRYPT', 'AES_256_GCM', 'k')),
];
for (const [sessionUid, weight] of Object.entries(SESSIONS))
  await world.grant({
    sessionUid,
    weight,
    programs,
    maximumJobs: 64,
    maximumBytes: 32 << 20,
    maximumConnections: 16,
  });
console.log(JSON.stringify({ directory: world.directory }));
for await (const _ of createInterface({ input: process.stdin }))
  console.log(JSON.stringify((await world.dataPath.activity()).sessions));
await world[Symbol.asyncDispose]();
