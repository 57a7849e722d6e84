import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NetworkNamespace } from '@outboard/ffi';
import {
  destroy,
  IP_CT_DIR,
  link,
  NetlinkSocket,
  NFPROTO,
  NFT_CMP,
  NFT_CT,
  NFT_DATA_VERDICT,
  NFT_META,
  NFT_OBJECT,
  NFT_REG,
  NFT_SET,
  NFT_VERDICT,
  nftChain,
  nftObject,
  nftRule,
  nftSet,
  nftSetElement,
  nftTable,
} from '../src/index.js';
import { Namespaces, run } from './namespaces.js';

const SKELETON = `table inet ob {
  map ident { type ipv4_addr : mark; }
  map verdicts { typeof meta mark . th dport : verdict; flags interval; }
  map slots { typeof ip daddr . meta l4proto . th dport . numgen random mod 16 : ip daddr . th dport; }
  chain other { counter; }
  chain forward {
    type filter hook forward priority -300; policy drop;
    meta mark set ip saddr map @ident comment "owner=network"
    meta mark . th dport vmap @verdicts
  }
}
`;

const namespaces = new Namespaces();
let namespace: NetworkNamespace;
let socket: NetlinkSocket;

const inet = { nfgenFamily: NFPROTO.INET, table: 'ob' } as const;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const ident = (host: number, mark: number) => ({
  key: { value: bytes(10, 0, host >> 8, host & 255) },
  data: { value: bytes(mark & 255, mark >> 8, 0, 0) },
});
const elementsOf = async (set: string) =>
  (await socket.dump(nftSetElement.dump({ ...inet, set }))).flatMap(({ elements }) => elements ?? []);
const listed = (): string => run(namespace, 'nft', ['list', 'table', 'inet', 'ob']);

beforeEach(() => {
  namespace = namespaces.create('nft');
  socket = NetlinkSocket.open({ namespace, protocol: 'netfilter' });
  run(namespace, 'nft', ['-f', '-'], SKELETON);
});

afterEach(() => {
  socket.close();
  namespaces.clear();
});

describe('a transaction', () => {
  it('adds elements that nft(8) lists with their meaning: marks, ranges with verdicts, service slots', async () => {
    const result = await socket.transaction([
      nftSetElement.create({ ...inet, set: 'ident', elements: [ident(5, 0x105), ident(6, 0x106)] }),
      nftSetElement.create({
        ...inet,
        set: 'verdicts',
        // Marks are in host order, but nft(8) turns them into network order where ranges are compared.
        elements: [
          {
            key: { value: bytes(0, 0, 1, 5, 0, 80, 0, 0) },
            keyEnd: { value: bytes(0, 0, 1, 5, 0, 90, 0, 0) },
            data: { verdict: { code: NFT_VERDICT.ACCEPT } },
          },
          {
            key: { value: bytes(0, 0, 1, 6, 1, 187, 0, 0) },
            keyEnd: { value: bytes(0, 0, 1, 6, 1, 187, 0, 0) },
            data: { verdict: { code: NFT_VERDICT.JUMP, chain: 'other' } },
          },
        ],
      }),
      nftSetElement.create({
        ...inet,
        set: 'slots',
        elements: [
          {
            key: { value: bytes(10, 0, 0, 100, 6, 0, 0, 0, 0, 80, 0, 0, 3, 0, 0, 0) },
            data: { value: bytes(10, 0, 0, 5, 31, 144, 0, 0) },
          },
        ],
      }),
    ]);
    expect(result).toEqual({ total: 3, failures: [] });
    const text = listed();
    expect(text).toContain('10.0.0.5 : 0x00000105');
    expect(text).toContain('0x00000105 . 80-90 : accept');
    expect(text).toContain('0x00000106 . 443 : jump other');
    expect(text).toMatch(/10\.0\.0\.100 \. tcp \. 80 \. 3 : 10\.0\.0\.5 \. 8080/);
    expect(await elementsOf('ident')).toEqual(expect.arrayContaining([ident(5, 0x105), ident(6, 0x106)]));
    expect(await elementsOf('verdicts')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ data: { verdict: { code: NFT_VERDICT.JUMP, chain: 'other' } } }),
      ]),
    );
  });

  it('is all or nothing, and names each message that was wrong', async () => {
    await socket.transaction([nftSetElement.create({ ...inet, set: 'ident', elements: [ident(1, 1)] })]);
    const { failures } = await socket.transaction([
      nftSetElement.create({ ...inet, set: 'ident', elements: [ident(2, 2)] }),
      nftSetElement.create({ ...inet, set: 'ident', elements: [ident(1, 9)] }),
      nftSetElement.create({ ...inet, set: 'absent', elements: [ident(3, 3)] }),
      nftSetElement.create({ ...inet, set: 'ident', elements: [ident(4, 4)] }),
    ]);
    expect(failures.map(({ index, code }) => [index, code])).toEqual([
      [1, 'EEXIST'],
      [2, 'ENOENT'],
    ]);
    expect(await elementsOf('ident')).toEqual([ident(1, 1)]);
  });

  it('with a message that cannot be encoded sends nothing', async () => {
    const { failures } = await socket.transaction([
      nftSetElement.create({ ...inet, set: 'ident', elements: [ident(2, 2)] }),
      nftSetElement.create({ ...inet, set: 'a\0b' }),
    ]);
    expect(failures).toMatchObject([
      { index: 1, code: 'EINVAL', message: expect.stringContaining('nftSetElement.set') },
    ]);
    expect(await elementsOf('ident')).toEqual([]);
  });

  it('removes: a missing element aborts it, unless the removal became a destroy', async () => {
    await socket.transaction([nftSetElement.create({ ...inet, set: 'ident', elements: [ident(1, 1)] })]);
    const missing = nftSetElement.remove({ ...inet, set: 'ident', elements: [{ key: ident(9, 0).key }] });
    const present = nftSetElement.remove({ ...inet, set: 'ident', elements: [{ key: ident(1, 1).key }] });
    expect((await socket.transaction([present, missing])).failures).toMatchObject([
      { index: 1, code: 'ENOENT' },
    ]);
    expect(await elementsOf('ident')).toHaveLength(1);
    expect((await socket.transaction([destroy(present), destroy(missing)])).failures).toEqual([]);
    expect(await elementsOf('ident')).toHaveLength(0);
  });

  it('replaces a key’s data by removing and adding it in one go', async () => {
    await socket.transaction([nftSetElement.create({ ...inet, set: 'ident', elements: [ident(1, 1)] })]);
    const remove = nftSetElement.remove({ ...inet, set: 'ident', elements: [{ key: ident(1, 1).key }] });
    const add = nftSetElement.create({ ...inet, set: 'ident', elements: [ident(1, 2)] });
    expect((await socket.transaction([remove, add])).failures).toEqual([]);
    expect(await elementsOf('ident')).toEqual([ident(1, 2)]);
  });

  it('creates and destroys tables, sets and verdict maps', async () => {
    const made = { nfgenFamily: NFPROTO.INET, table: 'made' };
    const result = await socket.transaction([
      nftTable.create({ nfgenFamily: NFPROTO.INET, name: 'made', userdata: bytes(1, 2, 3) }),
      nftSet.create({ ...made, name: 'ports', id: 1, keyType: 13, keyLen: 2 }),
      nftSet.create({
        ...made,
        name: 'byport',
        id: 2,
        flags: NFT_SET.MAP,
        keyType: 13,
        keyLen: 2,
        dataType: NFT_DATA_VERDICT,
        dataLen: 16,
      }),
      nftSetElement.create({ ...made, set: 'ports', elements: [{ key: { value: bytes(1, 187) } }] }),
      nftSetElement.create({
        ...made,
        set: 'byport',
        elements: [{ key: { value: bytes(0, 80) }, data: { verdict: { code: NFT_VERDICT.DROP } } }],
      }),
    ]);
    expect(result.failures).toEqual([]);
    const text = run(namespace, 'nft', ['list', 'table', 'inet', 'made']);
    expect(text).toMatch(/set ports \{\s+type inet_service\s+elements = \{ 443 \}/);
    expect(text).toMatch(/map byport \{\s+type inet_service : verdict\s+elements = \{ 80 : drop \}/);
    const [, table] = await socket.dump(nftTable.dump());
    expect(table).toMatchObject({ name: 'made', userdata: bytes(1, 2, 3) });
    const gone = destroy(nftTable.remove({ nfgenFamily: NFPROTO.INET, name: 'made' }));
    expect((await socket.transaction([gone])).failures).toEqual([]);
    expect((await socket.transaction([gone])).failures).toEqual([]);
    expect(await socket.dump(nftTable.dump())).toMatchObject([{ name: 'ob' }]);
  });

  it('makes rules of expressions, which are read as they were made and mean to nft(8) what they are', async () => {
    const expressions = [
      { name: 'ct', data: { key: NFT_CT.SRC_IP, direction: IP_CT_DIR.ORIGINAL, dreg: NFT_REG.R1 } },
      {
        name: 'bitwise',
        data: {
          sreg: 1,
          dreg: 1,
          len: 4,
          mask: { value: bytes(255, 0, 0, 0) },
          xor: { value: bytes(0, 0, 0, 0) },
        },
      },
      { name: 'cmp', data: { sreg: 1, op: NFT_CMP.EQ, data: { value: bytes(10, 0, 0, 0) } } },
      { name: 'ct', data: { key: NFT_CT.DST_IP, direction: IP_CT_DIR.ORIGINAL, dreg: NFT_REG.R1 } },
      { name: 'lookup', data: { set: 'hosts', sreg: NFT_REG.R1 } },
      { name: 'meta', data: { key: NFT_META.L4PROTO, dreg: NFT_REG.R1 } },
      { name: 'cmp', data: { sreg: 1, op: NFT_CMP.NEQ, data: { value: bytes(6) } } },
      { name: 'objref', data: { immType: NFT_OBJECT.COUNTER, immName: 'seen' } },
      {
        name: 'immediate',
        data: { dreg: NFT_REG.VERDICT, data: { verdict: { code: NFT_VERDICT.GOTO, chain: 'other' } } },
      },
    ];
    const rule = nftRule.append({ ...inet, chain: 'made', expressions });
    const { failures } = await socket.transaction([
      nftSet.create({ ...inet, name: 'hosts', id: 1, keyType: 7, keyLen: 4 }),
      nftObject.append({ ...inet, name: 'seen', type: NFT_OBJECT.COUNTER, data: {} }),
      nftChain.append({ ...inet, name: 'made' }),
      nftRule.remove({ ...inet, chain: 'made' }),
      rule,
      rule,
    ]);
    expect(failures).toEqual([]);
    const rules = await socket.dump(nftRule.dump({ ...inet, chain: 'made' }));
    expect(rules).toHaveLength(2);
    for (const each of rules) expect(each.expressions).toMatchObject(expressions);
    const text =
      'ct original ip saddr 10.0.0.0/8 ct original ip daddr @hosts meta l4proto != tcp counter name "seen" goto other';
    expect(
      listed()
        .split('\n')
        .filter((line) => line.trim() === text),
    ).toHaveLength(2);
    expect(
      await socket.get(nftObject.get({ ...inet, name: 'seen', type: NFT_OBJECT.COUNTER })),
    ).toMatchObject({
      name: 'seen',
      use: 2,
      data: { packets: 0n, bytes: 0n },
    });
  });

  it('of tens of thousands of elements takes several transactions; one that is too large is refused unsent', async () => {
    const messages = Array.from({ length: 20 }, (_, part) =>
      nftSetElement.create({
        ...inet,
        set: 'ident',
        elements: Array.from({ length: 1000 }, (_, index) => ident(part * 1000 + index, 1)),
      }),
    );
    await expect(socket.transaction([...messages, ...messages])).rejects.toThrow('must be at most');
    expect((await socket.transaction(messages.slice(0, 10))).failures).toEqual([]);
    expect((await socket.transaction(messages.slice(10))).failures).toEqual([]);
    expect(await elementsOf('ident')).toHaveLength(20_000);
  });

  it('needs the netfilter protocol', async () => {
    await expect(socket.transaction([link.create({ ifname: 'x' })])).rejects.toThrow(
      'no message of the netfilter',
    );
    expect(await socket.transaction([])).toEqual({ total: 0, failures: [] });
  });
});

describe('observing', () => {
  it('tables, chains, rules and sets are dumped with their names, handles and marks of ownership', async () => {
    expect(await socket.dump(nftTable.dump())).toMatchObject([{ name: 'ob', nfgenFamily: NFPROTO.INET }]);
    expect(await socket.dump(nftChain.dump({ nfgenFamily: NFPROTO.INET }))).toMatchObject([
      { table: 'ob', name: 'other' },
      { table: 'ob', name: 'forward', hook: { num: 2, priority: -300 }, policy: 0, type: 'filter' },
    ]);
    const rules = await socket.dump(nftRule.dump({ ...inet }));
    expect(rules.map(({ chain, expressions }) => [chain, expressions?.at(-1)?.name])).toEqual([
      ['other', 'counter'],
      ['forward', 'meta'],
      ['forward', 'lookup'],
    ]);
    expect(Buffer.from(rules[1]?.userdata ?? []).toString()).toContain('owner=network');
    const sets = await socket.dump(nftSet.dump({ ...inet }));
    expect(sets.map(({ name, keyLen, dataLen }) => [name, keyLen, dataLen])).toEqual([
      ['ident', 4, 4],
      ['verdicts', 8, 16],
      ['slots', 16, 8],
    ]);
    expect(await socket.get(nftSet.get({ ...inet, name: 'ident' }))).toMatchObject({
      name: 'ident',
      keyLen: 4,
    });
  });

  it('a rule goes by its handle', async () => {
    const [first] = await socket.dump(nftRule.dump({ ...inet, chain: 'other' }));
    const handle = first?.handle ?? 0n;
    expect(
      (await socket.transaction([nftRule.remove({ ...inet, chain: 'other', handle })])).failures,
    ).toEqual([]);
    expect(await socket.dump(nftRule.dump({ ...inet, chain: 'other' }))).toEqual([]);
  });
});
