import { ascii, hex, type VectorOf } from './vector.js';

const digest = (source: string, input: Uint8Array, expected: string): VectorOf<'digest'> => ({
  kind: 'digest',
  source,
  input,
  digest: hex(expected),
});

/** NIST's examples to FIPS 180-4. */
const FIPS = 'FIPS 180-4 examples';
const TWO_BLOCKS_256 = ascii('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq');
const TWO_BLOCKS_512 = ascii(
  'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
);

export const SHA_256: readonly VectorOf<'digest'>[] = [
  digest(FIPS, ascii('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
  digest(FIPS, TWO_BLOCKS_256, '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'),
  digest(FIPS, ascii(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'),
];

export const SHA_512: readonly VectorOf<'digest'>[] = [
  digest(
    FIPS,
    ascii('abc'),
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  ),
  digest(
    FIPS,
    TWO_BLOCKS_512,
    '8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909',
  ),
];

const RFC_3720 = 'RFC 3720, B.4';

export const CRC32C: readonly VectorOf<'digest'>[] = [
  digest(RFC_3720, new Uint8Array(32), 'aa36918a'),
  digest(RFC_3720, new Uint8Array(32).fill(0xff), '43aba862'),
  digest(
    RFC_3720,
    Uint8Array.from({ length: 32 }, (_, index) => index),
    '4e79dd46',
  ),
  digest(
    RFC_3720,
    Uint8Array.from({ length: 32 }, (_, index) => 31 - index),
    '5cdb3f11',
  ),
];

const mac = (testCase: number, key: Uint8Array, input: Uint8Array, expected: string): VectorOf<'mac'> => ({
  kind: 'mac',
  source: `RFC 4231, test case ${testCase}`,
  key,
  input,
  digest: hex(expected),
});

const KEY_1 = new Uint8Array(20).fill(0x0b);
const KEY_3 = new Uint8Array(20).fill(0xaa);
const KEY_6 = new Uint8Array(131).fill(0xaa);
const DATA_1 = ascii('Hi There');
const DATA_2 = ascii('what do ya want for nothing?');
const DATA_3 = new Uint8Array(50).fill(0xdd);
const DATA_6 = ascii('Test Using Larger Than Block-Size Key - Hash Key First');

export const HMAC_SHA_256: readonly VectorOf<'mac'>[] = [
  mac(1, KEY_1, DATA_1, 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'),
  mac(2, ascii('Jefe'), DATA_2, '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'),
  mac(3, KEY_3, DATA_3, '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'),
  mac(6, KEY_6, DATA_6, '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'),
];

export const HMAC_SHA_512: readonly VectorOf<'mac'>[] = [
  mac(
    1,
    KEY_1,
    DATA_1,
    '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
  ),
  mac(
    2,
    ascii('Jefe'),
    DATA_2,
    '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
  ),
];
