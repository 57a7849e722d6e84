import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { LOCAL_SEED, parseDuration, resolveSettings, seedPlace } from './settings.js';

const folders: string[] = [];

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'outboard-cli-'));
  folders.push(made);
  return made;
}

afterEach(() => {
  for (const each of folders.splice(0)) rmSync(each, { recursive: true });
});

describe('settings', () => {
  it('come from options before the environment before defaults', () => {
    const environment = {
      OUTBOARD_NATS_URL: 'nats://bus:4222',
      OUTBOARD_NATS_SEED_FILE: '/seeds/operator.seed',
      OUTBOARD_TENANT: 'acme',
    };
    const options = { server: 'tls://a:1,tls://b:2', seed: '/other.seed', tenant: 'globex', timeout: '5m' };
    expect(resolveSettings(options, environment, '/')).toEqual({
      server: 'tls://a:1,tls://b:2',
      seedFile: '/other.seed',
      tenant: 'globex',
      timeoutMilliseconds: 300_000,
    });
    expect(resolveSettings({}, environment, '/')).toEqual({
      server: 'nats://bus:4222',
      seedFile: '/seeds/operator.seed',
      tenant: 'acme',
      timeoutMilliseconds: undefined,
    });
    expect(resolveSettings({}, { OUTBOARD_TENANT: '' }, folder())).toEqual({
      server: 'nats://127.0.0.1:4222',
      seedFile: undefined,
      tenant: undefined,
      timeoutMilliseconds: undefined,
    });
  });

  it('tell who the user is where a header can hold it', () => {
    const requesterOf = (USER: string) => resolveSettings({}, { USER }, '/').requestedBy;
    expect(['alice', '', 'Zoë', 'x'.repeat(257)].map(requesterOf)).toEqual([
      'alice',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('find the seed of a local stack in the folder or above it', () => {
    const top = folder();
    const seedFile = join(top, LOCAL_SEED);
    mkdirSync(dirname(seedFile), { recursive: true });
    writeFileSync(seedFile, 'SU...\n');
    const below = join(top, 'a', 'b');
    mkdirSync(below, { recursive: true });
    expect(resolveSettings({}, {}, below).seedFile).toBe(seedFile);
    expect(resolveSettings({ seed: '/own.seed' }, {}, below).seedFile).toBe('/own.seed');
  });

  it.each([
    [{ server: 'http://bus' }, '--server'],
    [{ server: 'bus:4222' }, '--server'],
    [{ server: 'nats://bus:4222,' }, '--server'],
    [{ server: 'nats://bus:4222, nats://other:4222' }, '--server'],
    [{ server: 'nats://bus:4222/' }, '--server'],
    [{ tenant: 'Acme' }, '--tenant'],
    [{ tenant: '_' }, '--tenant'],
    [{ timeout: 'soon' }, '--timeout'],
  ])('that cannot be meant are refused: %j', (options, field) => {
    expect(() => resolveSettings(options, {}, '/')).toThrow(
      expect.objectContaining({ reason: 'USAGE', violations: [expect.objectContaining({ field })] }),
    );
  });

  it('do not repeat a password that is in the address of a server', () => {
    let refusal: unknown;
    try {
      resolveSettings({ server: 'nats://alice:hunter2@bus:4222' }, {}, '/');
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({
      reason: 'USAGE',
      violations: [{ field: '--server', description: expect.stringContaining('--seed') }],
    });
    expect(JSON.stringify([refusal, String(refusal)])).not.toContain('hunter2');
  });

  it('take the role from the name of the seed file', () => {
    expect(seedPlace('/seeds/orchestrator-acme.seed')).toEqual({
      directory: '/seeds',
      role: 'orchestrator-acme',
    });
    expect(() => seedPlace('/seeds/nats.key')).toThrow(expect.objectContaining({ reason: 'USAGE' }));
  });
});

describe('a time span', () => {
  it.each([
    ['500ms', 500],
    ['30', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h', 3_600_000],
  ])('%s is %i milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(['0', '-1s', '1d', '600h', '', 's', '1e3'])('%j is none', (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ reason: 'USAGE' }));
  });
});
