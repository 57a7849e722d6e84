import { describe, expect, it } from '@jest/globals';
import { readCommonConfiguration } from './common-configuration.js';
import { EnvironmentReader } from './environment.js';

const COMPLETE = { OUTBOARD_NATS_URL: 'nats://10.0.0.1:4222', OUTBOARD_DATA_DIRECTORY: '/var/lib/outboard' };

describe('the environment of a process', () => {
  it('needs a bus and a directory, and has defaults for the rest', () => {
    const environment = new EnvironmentReader(COMPLETE);
    expect(readCommonConfiguration(environment)).toEqual({
      natsServers: ['nats://10.0.0.1:4222'],
      natsSeedFile: undefined,
      dataDirectory: '/var/lib/outboard',
      logLevel: 'info',
    });
    expect(environment.problems.total).toBe(0);
  });

  it('tells everything that is wrong at once, each with the variable and the rule', () => {
    const environment = new EnvironmentReader({
      OUTBOARD_NATS_URL: 'http://10.0.0.1',
      OUTBOARD_NATS_SEED_FILE: 'seed',
      OUTBOARD_LOG_LEVEL: 'loud',
      OUTBOARD_LEASE_MILLISECONDS: '5',
    });
    readCommonConfiguration(environment);
    environment.integer('OUTBOARD_LEASE_MILLISECONDS', 500, 600_000, 10_000);
    expect(environment.problems.violations.map(({ field }) => field)).toEqual([
      'OUTBOARD_NATS_URL',
      'OUTBOARD_NATS_SEED_FILE',
      'OUTBOARD_DATA_DIRECTORY',
      'OUTBOARD_LOG_LEVEL',
      'OUTBOARD_LEASE_MILLISECONDS',
    ]);
    for (const { description } of environment.problems.violations) expect(description).toMatch(/^must be /);
  });

  it('takes an empty variable for one that is not set', () => {
    const environment = new EnvironmentReader({ ...COMPLETE, OUTBOARD_LOG_LEVEL: '' });
    expect(readCommonConfiguration(environment).logLevel).toBe('info');
  });

  it.each(['', 'x', '-1', '1.5', '1e3', '501 '])('refuses %j as a whole number', (value) => {
    const environment = new EnvironmentReader({ NUMBER: value });
    environment.integer('NUMBER', 500, 600);
    expect(environment.problems.total).toBe(1);
  });
});
