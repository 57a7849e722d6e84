import { describe, expect, it } from '@jest/globals';
import { connectionOf, problemsOf, sharedKeyOf, statusOf } from '../ipsec/connections.mjs';
import { decodeMessage, encodeMessage } from '../ipsec/vici-message.mjs';

const peer = (more) => ({
  name: 'b',
  address: '198.51.100.2',
  preSharedKey: 'to-b',
  localSubnets: ['10.1.0.0/24'],
  remoteSubnets: ['10.2.0.0/24'],
  ...more,
});

describe('messages of vici', () => {
  it('are what they were when they are read again', () => {
    const message = {
      version: '2',
      pools: [],
      addresses: ['a', 'b'],
      children: { net: { mode: 'tunnel' }, none: {} },
    };
    expect(decodeMessage(encodeMessage(message))).toEqual(message);
  });

  it('have the form that strongSwan documents', () => {
    const documented = Buffer.concat([
      Buffer.from([1, 4]),
      Buffer.from('sect'),
      Buffer.from([3, 1]),
      Buffer.from('k'),
      Buffer.from([0, 2]),
      Buffer.from('vv'),
      Buffer.from([2, 4, 1]),
      Buffer.from('l'),
      Buffer.from([5, 0, 1]),
      Buffer.from('i'),
      Buffer.from([6]),
    ]);
    expect(encodeMessage({ sect: { k: 'vv' }, l: ['i'] })).toEqual(documented);
  });

  it('are refused when they are cut off', () => {
    const whole = encodeMessage({ section: { key: 'value' } });
    for (let length = 1; length < whole.length; length += 1) {
      expect(() => decodeMessage(whole.subarray(0, length))).toThrow('cut off');
    }
  });
});

describe("a gateway's configuration", () => {
  it('is refused with every problem at once', () => {
    const problems = problemsOf({
      peers: [
        peer({ localAddress: 'fd00::1', localSubnets: ['10.1.0.0'] }),
        peer({ address: 'here', remoteSubnets: ['10.2.0.0/24', 'fd00::/64'] }),
      ],
    });
    expect(problems).toEqual([
      { field: 'peers[1].name', description: 'must be unique' },
      { field: 'peers[0].localAddress', description: 'must be an IP address of the same family as address' },
      { field: 'peers[0].localSubnets[0]', description: 'must be an IPv4 or IPv6 prefix' },
      { field: 'peers[1].address', description: 'must be an IP address' },
      { field: 'peers[1].remoteSubnets', description: 'must be of the same families as localSubnets' },
    ]);
  });

  it('tells strongSwan of a peer by its address, and of the key apart', () => {
    const connection = connectionOf(peer({ espProposals: ['aes256-sha256'] }));
    expect(connection.b).toMatchObject({
      remote_addrs: ['198.51.100.2'],
      remote: { auth: 'psk', id: '198.51.100.2' },
      children: {
        b: { local_ts: ['10.1.0.0/24'], remote_ts: ['10.2.0.0/24'], esp_proposals: ['aes256-sha256'] },
      },
    });
    expect(JSON.stringify(connection)).not.toContain('to-b');
    expect(sharedKeyOf(peer(), 'secret')).toEqual({
      id: 'b',
      type: 'IKE',
      data: 'secret',
      owners: ['198.51.100.2'],
    });
  });
});

describe("a peer's status", () => {
  const child = (more) => ({
    state: 'INSTALLED',
    'spi-in': 'c1',
    'spi-out': 'c2',
    'encr-alg': 'AES_GCM_16',
    ...more,
  });
  const association = (children, state = 'ESTABLISHED') => ({
    b: {
      state,
      established: '3',
      'child-sas': Object.fromEntries(children.map((each, at) => [`b-${at}`, each])),
    },
  });

  it('is DOWN without an association', () => {
    expect(statusOf(peer(), [])).toEqual({ name: 'b', address: '198.51.100.2', state: 'DOWN' });
  });

  it('is CONNECTING until there is a tunnel', () => {
    expect(statusOf(peer(), [association([], 'CONNECTING')]).state).toBe('CONNECTING');
    expect(statusOf(peer(), [association([])]).state).toBe('CONNECTING');
  });

  it('is that of the newest tunnel, of those that are there', () => {
    const rekeyed = association([child({ 'spi-in': 'old' }), child(), child({ state: 'DELETED' })]);
    expect(statusOf(peer(), [association([], 'CONNECTING'), rekeyed])).toMatchObject({
      state: 'ESTABLISHED',
      establishedSeconds: 3,
      inbound: { spi: 'c1' },
      outbound: { spi: 'c2' },
    });
  });
});
