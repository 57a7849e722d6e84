import { describe, expect, it } from '@jest/globals';
import { CNI_CODE, CniError } from './cni-error.js';
import { type AttachmentRequest, parseBase, parsePool, parseRequest } from './configuration.js';

const BASE = { cniVersion: '1.0.0', name: 'pods', type: 'outboard', network: 'blue' };

const parse = (json: object, args: Record<string, string> = {}): AttachmentRequest =>
  parseRequest(parseBase(JSON.stringify({ ...BASE, ...json })), new Map(Object.entries(args)));

function refusal(action: () => unknown): CniError {
  try {
    action();
  } catch (failure) {
    if (failure instanceof CniError) return failure;
    throw failure;
  }
  throw new Error('it was not refused');
}

describe('the configuration of a network', () => {
  it.each(['0.4.0', '1.0.0', '1.1.0'])('is understood in version %s', (cniVersion) => {
    expect(parseBase(JSON.stringify({ ...BASE, cniVersion }))).toMatchObject({ cniVersion, name: 'pods' });
  });

  it.each([
    ['no JSON', '{', CNI_CODE.DECODING_FAILURE],
    ['no object', '[]', CNI_CODE.DECODING_FAILURE],
    ['no version', '{"name":"pods"}', CNI_CODE.INCOMPATIBLE_VERSION],
    ['a version of the future', '{"cniVersion":"2.0.0","name":"pods"}', CNI_CODE.INCOMPATIBLE_VERSION],
    ['no name', '{"cniVersion":"1.0.0"}', CNI_CODE.INVALID_CONFIGURATION],
  ])('is refused as %s', (_, stdin, code) => {
    expect(refusal(() => parseBase(stdin)).code).toBe(code);
  });

  it('has defaults for all but the network', () => {
    expect(parse({})).toEqual({
      podNamespace: undefined,
      podName: undefined,
      tenant: undefined,
      network: { name: 'blue' },
      port: undefined,
      pool: 'default',
      deviceId: undefined,
      labels: {},
      securityPolicies: [],
      defaultDeny: true,
      defaultRoute: true,
      macAddress: undefined,
      ips: [],
      bandwidth: undefined,
      dns: { nameservers: [], domain: undefined, search: [], options: [] },
    });
    expect(refusal(() => parse({ network: undefined })).details).toMatch(/^network must be set/);
  });

  it('tells everything that is wrong at once, each with its field', () => {
    const { code, details } = refusal(() =>
      parse(
        {
          tenant: 'ACME',
          pool: 5,
          defaultDeny: 'no',
          labels: { 'outboard.dev/host': 'x' },
          runtimeConfig: { mac: 'nonsense', ips: ['10.0.0.300'] },
        },
        { OUTBOARD_NETWORK: 'Blue' },
      ),
    );
    expect(code).toBe(CNI_CODE.INVALID_CONFIGURATION);
    for (const field of [
      'tenant',
      'pool',
      'defaultDeny',
      'labels["outboard.dev/host"]',
      'runtimeConfig.mac',
    ]) {
      expect(details).toContain(field);
    }
    for (const field of ['runtimeConfig.ips[0]', 'CNI_ARGS OUTBOARD_NETWORK']) {
      expect(details).toContain(field);
    }
    expect(details.split('\n')).toHaveLength(7);
  });

  it('hands out no addresses of another allocator', () => {
    expect(refusal(() => parse({ ipam: { type: 'host-local' } })).code).toBe(CNI_CODE.UNSUPPORTED_FIELD);
    expect(parse({ ipam: {} }).network).toEqual({ name: 'blue' });
  });

  it.each([
    ['portMappings', [{ hostPort: 80, containerPort: 80, protocol: 'tcp' }]],
    ['PortMappings', [{ HostPort: 80, ContainerPort: 80, Protocol: 'tcp' }]],
    ['ipRanges', [[{ subnet: '10.0.0.0/24' }]]],
    ['infinibandGUID', 'c2:11:22:33:44:55:66:77'],
  ])('does not pass over the capability %s, which it has not', (name, value) => {
    const { code, message } = refusal(() => parse({ runtimeConfig: { [name]: value } }));
    expect(code).toBe(CNI_CODE.UNSUPPORTED_FIELD);
    expect(message.toLowerCase()).toContain(`runtimeconfig.${name.toLowerCase()} is not supported`);
  });

  it('does not mind that capabilities which it has not are empty', () => {
    const runtimeConfig = { portMappings: [], ipRanges: null, infinibandGUID: '' };
    expect(parse({ runtimeConfig }).network).toEqual({ name: 'blue' });
  });

  it('tells STATUS which pool is asked for', () => {
    const poolIn = (json: object): string => parsePool(parseBase(JSON.stringify({ ...BASE, ...json })));
    expect([poolIn({}), poolIn({ pool: 'fast' })]).toEqual(['default', 'fast']);
    for (const pool of [5, 'Fast']) {
      expect(refusal(() => poolIn({ pool }))).toMatchObject({
        code: CNI_CODE.INVALID_CONFIGURATION,
        message: expect.stringContaining('pool'),
      });
    }
  });

  it('takes addresses from capabilities before conventions before arguments', () => {
    const conventions = { args: { cni: { ips: ['10.0.0.2/24'], mac: '02:00:00:00:00:02' } } };
    const capabilities = { runtimeConfig: { ips: ['10.0.0.3/24', 'FD00::3/64'], mac: '02-00-00-00-00-03' } };
    const args = { IP: '10.0.0.1', MAC: '02:00:00:00:00:01' };
    expect(parse({}, args)).toMatchObject({ ips: ['10.0.0.1'], macAddress: '02:00:00:00:00:01' });
    expect(parse(conventions, args)).toMatchObject({ ips: ['10.0.0.2'], macAddress: '02:00:00:00:00:02' });
    expect(parse({ ...conventions, ...capabilities }, args)).toMatchObject({
      ips: ['10.0.0.3', 'fd00::3'],
      macAddress: '02:00:00:00:00:03',
    });
  });

  it('understands capabilities in the letter case of Go, which containerd writes', () => {
    const runtimeConfig = {
      Mac: '02:00:00:00:00:03',
      Bandwidth: { IngressRate: 1_000_001, IngressBurst: 2_000, EgressRate: 0 },
      dns: { Servers: ['10.96.0.10'], Searches: ['svc.cluster.local'], Options: ['ndots:5'] },
    };
    expect(parse({ runtimeConfig })).toMatchObject({
      macAddress: '02:00:00:00:00:03',
      bandwidth: { ingressKbps: 1_001, egressKbps: undefined },
      dns: { nameservers: ['10.96.0.10'], search: ['svc.cluster.local'], options: ['ndots:5'] },
    });
  });

  it('takes the device of a device plugin where Multus puts it', () => {
    expect(parse({ deviceID: '0000:03:00.2' }).deviceId).toBe('0000:03:00.2');
    expect(parse({ runtimeConfig: { deviceID: '0000:03:00.3' } }).deviceId).toBe('0000:03:00.3');
  });

  it.each([
    ['mac', 'macAddress', '02:00:00:00:00:03', '02:00:00:00:00:03'],
    ['ips', 'ips', ['10.0.0.3/24'], ['10.0.0.3']],
    ['bandwidth', 'bandwidth', { egressRate: 8_000 }, { ingressKbps: undefined, egressKbps: 8 }],
    ['deviceID', 'deviceId', '0000:03:00.3', '0000:03:00.3'],
  ] as const)('understands the capability %s in any letter case', (name, field, value, expected) => {
    const capital = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    for (const written of [name, name.toLowerCase(), name.toUpperCase(), capital]) {
      expect(parse({ runtimeConfig: { [written]: value } })[field]).toEqual(expected);
      expect(parse({ RuntimeConfig: { [written]: value } })[field]).toEqual(expected);
    }
  });

  it('takes network and port from the arguments, unless the annotations of the pod say otherwise', () => {
    const args = { OUTBOARD_NETWORK: 'green', OUTBOARD_PORT: 'web-1', IgnoreUnknown: 'true' };
    expect(parse({ port: 'web-9' }, args)).toMatchObject({ network: { name: 'green' }, port: 'web-1' });
    const annotations = { 'outboard.dev/network': 'red', 'outboard.dev/port': 'web-0' };
    const runtimeConfig = { 'io.kubernetes.cri.pod-annotations': annotations };
    expect(parse({ runtimeConfig }, args)).toMatchObject({ network: { name: 'red' }, port: 'web-0' });
  });

  it("lets a pod's annotations choose network, port and labels", () => {
    const annotations = {
      'outboard.dev/network': 'red',
      'outboard.dev/labels': 'app=web, tier=front',
      other: 'x',
    };
    const runtimeConfig = { 'io.kubernetes.cri.pod-annotations': annotations };
    expect(parse({ labels: { app: 'any', zone: 'z' }, runtimeConfig })).toMatchObject({
      network: { name: 'red' },
      labels: { app: 'web', tier: 'front', zone: 'z' },
    });
    const port = { 'io.kubernetes.cri.pod-annotations': { 'outboard.dev/port': 'web-0' } };
    expect(parse({ network: undefined, runtimeConfig: port })).toMatchObject({
      port: 'web-0',
      network: undefined,
    });
  });

  it('may select the network by its labels', () => {
    expect(parse({ network: undefined, networkSelector: { tier: 'front' } }).network).toEqual({
      labels: { tier: 'front' },
    });
  });
});
