/**
 * nftables with a static skeleton of rules and everything dynamic in maps: a change of policy is a transaction on
 * elements, which takes microseconds and is applied as a whole or not at all.
 */
import { execFileSync } from 'node:child_process';
import { destroy, NetlinkSocket, NetworkNamespace, NFPROTO, nftSetElement } from '@outboard/netlink';

const name = `obex${process.pid}`;
const namespace = NetworkNamespace.create(name);
const socket = NetlinkSocket.open({ namespace, protocol: 'netfilter' });
try {
  const skeleton = `table inet ob {
    map ident { type ipv4_addr : mark; }
    chain forward { type filter hook forward priority 0; meta mark set ip saddr map @ident; }
  }`;
  namespace.run(() => execFileSync('nft', ['-f', '-'], { input: skeleton }));

  const ident = { nfgenFamily: NFPROTO.INET, table: 'ob', set: 'ident' };
  const element = (host: number, mark: number) => ({
    key: { value: Uint8Array.of(10, 0, 1, host) }, // network order
    data: { value: Uint8Array.of(mark, 0, 0, 0) }, // marks are in host order
  });

  console.log(
    'first:',
    (await socket.transaction([nftSetElement.create({ ...ident, elements: [element(5, 1)] })])).failures,
  );

  // A key cannot change its data: it goes and comes within one transaction. A destroy does not mind absence.
  const { failures } = await socket.transaction([
    destroy(
      nftSetElement.remove({ ...ident, elements: [{ key: element(5, 0).key }, { key: element(6, 0).key }] }),
    ),
    nftSetElement.create({ ...ident, elements: [element(5, 2), element(6, 3)] }),
  ]);
  console.log('second:', failures);

  const refused = await socket.transaction([
    nftSetElement.create({ ...ident, elements: [element(7, 7)] }),
    nftSetElement.create({ ...ident, elements: [element(5, 9)] }),
  ]);
  console.log('third:', refused.failures.map(({ index, code }) => `message ${index} ${code}`).join());

  const parts = await socket.dump(nftSetElement.dump(ident));
  for (const { key, data } of parts.flatMap(({ elements }) => elements ?? [])) {
    console.log(key?.value?.join('.'), '->', data?.value?.[0]);
  }
} finally {
  socket.close();
  namespace.close();
  NetworkNamespace.remove(name);
}
