import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import fc from 'fast-check';
import { parseConfiguration } from './configuration.js';

const COMPLETE = {
  OUTBOARD_NATS_URL: 'nats://192.0.2.1:4222',
  OUTBOARD_NATS_SEED_FILE: '/etc/outboard/worker.seed',
  OUTBOARD_DATA_DIRECTORY: '/var/lib/outboard',
  OUTBOARD_DPU_NAME: 'dpu-1',
  OUTBOARD_DPU_SERIAL_NUMBER: 'MT2113X00042',
  OUTBOARD_DPU_HOST: 'host-1.example',
  OUTBOARD_DPU_PF_MAC_ADDRESS: '08-C0-EB-8A-D7-8A',
  OUTBOARD_UNDERLAY_DEVICE: 'p0',
  OUTBOARD_RESYNC_SECONDS: '0',
  OUTBOARD_LOG_LEVEL: 'debug',
};
const NAMES = Object.keys(COMPLETE);
const REQUIRED = [
  'OUTBOARD_NATS_URL',
  'OUTBOARD_DATA_DIRECTORY',
  'OUTBOARD_DPU_NAME',
  'OUTBOARD_DPU_SERIAL_NUMBER',
  'OUTBOARD_DPU_PF_MAC_ADDRESS',
];

const faults = (environment: Readonly<Record<string, string>>): readonly string[] => {
  const parsed = parseConfiguration(environment);
  return parsed.ok ? [] : parsed.error.violations.map(({ field }) => field);
};

describe('the configuration', () => {
  it('is read from the environment, in canonical form', () => {
    expect(unwrap(parseConfiguration(COMPLETE))).toEqual({
      natsServers: ['nats://192.0.2.1:4222'],
      natsSeedFile: '/etc/outboard/worker.seed',
      dataDirectory: '/var/lib/outboard',
      dpu: 'dpu-1',
      serialNumber: 'MT2113X00042',
      host: 'host-1.example',
      pfMacAddress: '08:c0:eb:8a:d7:8a',
      underlayDevice: 'p0',
      resyncMilliseconds: undefined,
      logLevel: 'debug',
    });
  });

  it('has defaults for whatever is not this DPU itself; empty is absent', () => {
    const { OUTBOARD_NATS_URL, OUTBOARD_DATA_DIRECTORY, OUTBOARD_DPU_NAME } = COMPLETE;
    const { OUTBOARD_DPU_SERIAL_NUMBER, OUTBOARD_DPU_PF_MAC_ADDRESS } = COMPLETE;
    const required = {
      OUTBOARD_NATS_URL,
      OUTBOARD_DATA_DIRECTORY,
      OUTBOARD_DPU_NAME,
      OUTBOARD_DPU_SERIAL_NUMBER,
      OUTBOARD_DPU_PF_MAC_ADDRESS,
    };
    expect(unwrap(parseConfiguration({ ...required, OUTBOARD_LOG_LEVEL: '' }))).toMatchObject({
      natsSeedFile: undefined,
      host: '',
      underlayDevice: 'up0',
      resyncMilliseconds: 60_000,
      logLevel: 'info',
    });
  });

  it('names everything that is missing at once', () => {
    expect(faults({})).toEqual(REQUIRED);
  });

  it('names everything that is wrong at once', () => {
    const wrong = {
      OUTBOARD_NATS_URL: 'http://192.0.2.1',
      OUTBOARD_NATS_SEED_FILE: 'worker.seed',
      OUTBOARD_DATA_DIRECTORY: 'data',
      OUTBOARD_DPU_NAME: 'DPU 1',
      OUTBOARD_DPU_SERIAL_NUMBER: '-',
      OUTBOARD_DPU_HOST: 'host_1',
      OUTBOARD_DPU_PF_MAC_ADDRESS: '01:00:5e:00:00:01',
      OUTBOARD_UNDERLAY_DEVICE: 'a-name-that-is-too-long',
      OUTBOARD_RESYNC_SECONDS: '1.5',
      OUTBOARD_LOG_LEVEL: 'loud',
    };
    expect(faults(wrong)).toEqual(NAMES);
    const parsed = parseConfiguration(wrong);
    expect(parsed.ok ? '' : parsed.error.violations.at(-1)?.description).toBe(
      'must be one of trace, debug, info, warn, error, fatal, silent',
    );
  });

  it('takes the servers of a cluster and IPv6', () => {
    const servers = ['nats://a.example:4222', 'tls://[2001:db8::1]:4222', 'nats://b'];
    expect(unwrap(parseConfiguration({ ...COMPLETE, OUTBOARD_NATS_URL: servers.join(',') }))).toMatchObject({
      natsServers: servers,
    });
  });

  it('is parsed or refused, whatever the environment says', () => {
    const environment = fc.record(
      Object.fromEntries(NAMES.map((name) => [name, fc.string({ unit: 'binary' })])),
    );
    fc.assert(
      fc.property(environment, (values) => {
        for (const field of faults(values)) expect(NAMES).toContain(field);
      }),
    );
  });
});
