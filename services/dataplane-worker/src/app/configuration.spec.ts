import { describe, expect, it } from '@jest/globals';
import { EnvironmentReader } from '@outboard/service-shell/process';
import fc from 'fast-check';
import { readConfiguration } from './configuration.js';

const COMPLETE = {
  OUTBOARD_NATS_URL: 'nats://192.0.2.1:4222',
  OUTBOARD_DATA_DIRECTORY: '/var/lib/outboard',
  OUTBOARD_DPU_NAME: 'dpu-1',
  OUTBOARD_DPU_SERIAL_NUMBER: 'MT2113X00042',
};
const CHOICES = [
  'OUTBOARD_DPU_HOST',
  'OUTBOARD_DPU_PF_MAC_ADDRESS',
  'OUTBOARD_UNDERLAY_DEVICE',
  'OUTBOARD_RESYNC_SECONDS',
  'OUTBOARD_DRIVER',
];

function read(variables: Readonly<Record<string, string>>) {
  const environment = new EnvironmentReader(variables);
  const configuration = readConfiguration(environment);
  const { violations } = environment.problems;
  return { configuration, violations, faults: violations.map(({ field }) => field).sort() };
}

describe('the configuration of a worker', () => {
  it('is read from the environment, in canonical form', () => {
    const { configuration, faults } = read({
      ...COMPLETE,
      OUTBOARD_DPU_HOST: 'host-1.example',
      OUTBOARD_DPU_PF_MAC_ADDRESS: '08-C0-EB-8A-D7-8A',
      OUTBOARD_UNDERLAY_DEVICE: 'p0',
      OUTBOARD_RESYNC_SECONDS: '0',
      OUTBOARD_DRIVER: 'ovs',
      OUTBOARD_OVS_DIRECTORY: '/run/openvswitch',
    });
    expect(faults).toEqual([]);
    expect(configuration).toMatchObject({
      dpu: 'dpu-1',
      serialNumber: 'MT2113X00042',
      host: 'host-1.example',
      pfMacAddress: '08:c0:eb:8a:d7:8a',
      underlayDevice: 'p0',
      resyncMilliseconds: undefined,
      driver: 'ovs',
      ovsDirectory: '/run/openvswitch',
    });
  });

  it('has defaults for whatever is not this DPU itself', () => {
    const { configuration, faults } = read(COMPLETE);
    expect(faults).toEqual([]);
    expect(configuration).toMatchObject({
      host: '',
      pfMacAddress: '',
      underlayDevice: 'up0',
      resyncMilliseconds: 60_000,
      driver: 'linux',
      ovsDirectory: undefined,
    });
  });

  it('tells everything that is missing at once', () => {
    expect(read({}).faults).toEqual(Object.keys(COMPLETE).sort());
  });

  it('tells everything that is wrong at once, with the rule', () => {
    const { faults, violations } = read({
      OUTBOARD_NATS_URL: 'http://192.0.2.1',
      OUTBOARD_DATA_DIRECTORY: 'data',
      OUTBOARD_DPU_NAME: 'DPU 1',
      OUTBOARD_DPU_SERIAL_NUMBER: '-',
      OUTBOARD_DPU_HOST: 'host_1',
      OUTBOARD_DPU_PF_MAC_ADDRESS: '01:00:5e:00:00:01',
      OUTBOARD_UNDERLAY_DEVICE: 'a-name-that-is-too-long',
      OUTBOARD_RESYNC_SECONDS: '1.5',
      OUTBOARD_DRIVER: 'windows',
    });
    expect(faults).toEqual([...Object.keys(COMPLETE), ...CHOICES].sort());
    expect(violations).toContainEqual({
      field: 'OUTBOARD_RESYNC_SECONDS',
      description: 'must be a whole number, 0-86400',
    });
  });

  it('is read or refused, whatever the environment says', () => {
    const names = [...Object.keys(COMPLETE), ...CHOICES];
    const environment = fc.record(
      Object.fromEntries(names.map((name) => [name, fc.string({ unit: 'binary' })])),
    );
    fc.assert(
      fc.property(environment, (variables) => {
        for (const field of read(variables).faults) expect(names).toContain(field);
      }),
    );
  });
});
