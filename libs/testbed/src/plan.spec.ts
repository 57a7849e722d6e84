import { describe, expect, it } from '@jest/globals';
import { type DpuSpecification, planTestbed } from './plan.js';

const dpu = (change: Partial<DpuSpecification> = {}): DpuSpecification => ({
  name: 'dpu-a',
  serialNumber: 'MT2113X00001',
  pfMacAddress: '08:c0:eb:00:00:01',
  functions: 2,
  ...change,
});
const other = dpu({ name: 'dpu-b', serialNumber: 'MT2113X00002', pfMacAddress: '08:c0:eb:00:00:02' });

const violations = (plan: () => unknown): unknown => {
  try {
    plan();
  } catch (failure) {
    return (failure as { violations?: unknown }).violations;
  }
  throw new Error('was accepted');
};

describe('planTestbed', () => {
  it('gives each DPU its namespace, addresses, host and functions', () => {
    const plan = planTestbed({ name: 'demo', dpus: [dpu(), other] });
    expect(plan.dpus[1]).toEqual({
      name: 'dpu-b',
      serialNumber: 'MT2113X00002',
      pfMacAddress: '08:c0:eb:00:00:02',
      host: 'host-dpu-b',
      namespace: 'ob-demo.dpu.dpu-b',
      number: 2,
      checksumOffload: true,
      underlay: {
        device: 'up0',
        addresses: [
          { ip: '10.254.0.2', prefixLength: 24 },
          { ip: 'fd00:254::2', prefixLength: 64 },
        ],
      },
      management: { device: 'mgmt0', addresses: [{ ip: '10.255.0.2', prefixLength: 23 }] },
      functions: [
        {
          vfNumber: undefined,
          representor: 'pf0hpf',
          hostDevice: 'enp2s0f0',
          index: 4000,
          macAddress: '08:c0:eb:00:00:02',
        },
        {
          vfNumber: 0,
          representor: 'pf0vf0',
          hostDevice: 'enp2s0f0v0',
          index: 4001,
          macAddress: '02:0b:00:02:00:00',
        },
        {
          vfNumber: 1,
          representor: 'pf0vf1',
          hostDevice: 'enp2s0f0v1',
          index: 4002,
          macAddress: '02:0b:00:02:00:01',
        },
      ],
    });
  });

  it('puts DPUs that name the same host into one host', () => {
    const plan = planTestbed({ name: 'demo', dpus: [dpu({ host: 'server' }), { ...other, host: 'server' }] });
    expect(plan.hosts).toEqual([
      {
        name: 'server',
        namespace: 'ob-demo.host.server',
        number: 1,
        management: { device: 'mgmt0', addresses: [{ ip: '10.255.1.1', prefixLength: 23 }] },
      },
    ]);
  });

  it('keeps the longest names within what names of devices and namespaces may have', () => {
    const dpus = Array.from({ length: 200 }, (_, index) => ({
      name: `${'d'.repeat(17)}${String(index).padStart(3, '0')}`,
      serialNumber: `serial-${index}`,
      pfMacAddress: `08:c0:eb:00:00:${index.toString(16).padStart(2, '0')}`,
      functions: 1100,
      host: `${'h'.repeat(29)}${String(index).padStart(3, '0')}`,
    }));
    const plan = planTestbed({ name: 't'.repeat(16), dpus });
    const namespaces = [...plan.dpus, ...plan.hosts].map((each) => each.namespace);
    expect(Math.max(...namespaces.map((name) => name.length))).toBeLessThanOrEqual(64);
    const functions = plan.dpus.flatMap((each) => each.functions);
    expect(functions.filter((each) => each.hostDevice.length > 15)).toEqual([]);
    expect(new Set(functions.map((each) => each.macAddress)).size).toBe(functions.length);
    expect(functions.filter((each) => !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(each.macAddress))).toEqual([]);
    expect(new Set(functions.map((each) => each.index)).size).toBe(functions.length);
  });

  it('tells every problem of a specification with its field', () => {
    const bad = dpu({
      name: 'DPU',
      functions: 1101,
      pfMacAddress: '01:00:00:00:00:00',
      underlayAddress: '10.1.1.1',
    });
    expect(violations(() => planTestbed({ name: 'a.b', underlayMtu: 900, dpus: [bad] }))).toEqual([
      { field: 'name', description: 'must be an RFC 1123 label of at most 16 characters' },
      { field: 'underlayMtu', description: 'must be 1280 to 9216' },
      { field: 'dpus[0].name', description: 'must be an RFC 1123 label of at most 20 characters' },
      { field: 'dpus[0].pfMacAddress', description: 'must not be a group address' },
      { field: 'dpus[0].functions', description: 'must be 0 to 1100' },
      { field: 'dpus[0].underlayAddress', description: 'must be 10.254.0.1 to 10.254.0.254' },
    ]);
  });

  it('refuses two DPUs with the same name, serial number, address or MAC', () => {
    const twin = dpu({ underlayAddress: '10.254.0.1' });
    expect(violations(() => planTestbed({ name: 'demo', dpus: [dpu(), twin] }))).toEqual([
      { field: 'dpus[1].name', description: 'must be unique, is also dpus[0].name' },
      { field: 'dpus[1].serialNumber', description: 'must be unique, is also dpus[0].serialNumber' },
      { field: 'dpus[1].pfMacAddress', description: 'must be unique, is also dpus[0].pfMacAddress' },
      { field: 'dpus[1].underlayAddress', description: 'must be unique, is also dpus[0].underlayAddress' },
    ]);
  });
});
