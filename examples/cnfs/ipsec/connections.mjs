// From a configuration to what charon is told of it: no input, no output.
import { isIP } from 'node:net';
import { duplicates, familyOf, prefixProblem } from '../prefixes.mjs';

export const NOTHING = { peers: [] };
export const DEFAULT_IKE_PROPOSALS = ['aes256gcm16-prfsha256-x25519'];
export const DEFAULT_ESP_PROPOSALS = ['aes256gcm16-x25519'];
const DEFAULT_REKEY_SECONDS = 3600;

/** What the schema cannot say: `[{ field, description }]`. */
export function problemsOf({ peers }) {
  const problems = [...duplicates(peers, 'peers', 'name'), ...duplicates(peers, 'peers', 'address')];
  peers.forEach((peer, index) => {
    const add = (field, description) => problems.push({ field: `peers[${index}].${field}`, description });
    if (isIP(peer.address) === 0) add('address', 'must be an IP address');
    if (peer.localAddress !== undefined && isIP(peer.localAddress) !== isIP(peer.address)) {
      add('localAddress', 'must be an IP address of the same family as address');
    }
    for (const field of ['localSubnets', 'remoteSubnets']) {
      peer[field].forEach((prefix, at) => {
        const problem = prefixProblem(prefix);
        if (problem !== undefined) add(`${field}[${at}]`, problem);
      });
    }
    const families = (prefixes) => [...new Set(prefixes.map(familyOf))].sort().join();
    if (families(peer.localSubnets) !== families(peer.remoteSubnets)) {
      add('remoteSubnets', 'must be of the same families as localSubnets');
    }
  });
  return problems;
}

/** The argument of `load-conn`. The identities of both sides are their addresses. */
export function connectionOf(peer) {
  const { name, address, localAddress, localSubnets, remoteSubnets } = peer;
  return {
    [name]: {
      version: '2',
      ...(localAddress !== undefined && { local_addrs: [localAddress] }),
      remote_addrs: [address],
      proposals: peer.ikeProposals ?? DEFAULT_IKE_PROPOSALS,
      // One attempt, which the keeper repeats; one SA, and the newest counts: the peer may have been restarted.
      keyingtries: '1',
      unique: 'replace',
      // A gateway does not roam; what addresses it has inside is nobody's business.
      mobike: 'no',
      dpd_delay: '2s',
      local: { auth: 'psk' },
      remote: { auth: 'psk', id: address },
      children: {
        [name]: {
          local_ts: localSubnets,
          remote_ts: remoteSubnets,
          esp_proposals: peer.espProposals ?? DEFAULT_ESP_PROPOSALS,
          rekey_time: `${peer.rekeySeconds ?? DEFAULT_REKEY_SECONDS}s`,
        },
      },
    },
  };
}

/** The argument of `load-shared`. */
export const sharedKeyOf = ({ name, address }, key) => ({
  id: name,
  type: 'IKE',
  data: key,
  owners: [address],
});

/** What the method `status` says of a peer; `sas`: the answers of `list-sas`. */
export function statusOf({ name, address }, sas) {
  const associations = sas.flatMap((each) => (each[name] === undefined ? [] : [each[name]]));
  const association = associations.find(isEstablished) ?? associations[0];
  const children = Object.values(association?.['child-sas'] ?? {});
  // After a rekeying there may be two for a moment: the newest counts.
  const child = children.filter(isInstalled).at(-1);
  if (child === undefined) {
    return { name, address, state: association === undefined ? 'DOWN' : 'CONNECTING' };
  }
  return {
    name,
    address,
    state: 'ESTABLISHED',
    establishedSeconds: Number(association.established),
    ikeProposal: ['encr-alg', 'prf-alg', 'dh-group'].map((key) => association[key]).join('/'),
    espProposal: [child['encr-alg'], child['encr-keysize']].filter(Boolean).join('-'),
    rekeyingInSeconds: Number(child['rekey-time']),
    localSubnets: child['local-ts'],
    remoteSubnets: child['remote-ts'],
    inbound: { spi: child['spi-in'], packets: child['packets-in'], bytes: child['bytes-in'] },
    outbound: { spi: child['spi-out'], packets: child['packets-out'], bytes: child['bytes-out'] },
  };
}

const isEstablished = (association) =>
  association.state === 'ESTABLISHED' && Object.values(association['child-sas'] ?? {}).some(isInstalled);
const isInstalled = ({ state }) => ['INSTALLED', 'REKEYING', 'REKEYED'].includes(state);
