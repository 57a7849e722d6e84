import { ascii, hex, type VectorOf } from './vector.js';

/** McGrew and Viega, The Galois/Counter Mode of Operation (GCM), appendix B, which NIST SP 800-38D refers to. */
const gcm = (
  testCase: number,
  key: string,
  ciphertext: string,
  tag: string,
  long: boolean,
): VectorOf<'aead'> => ({
  kind: 'aead',
  source: `GCM specification, test case ${testCase}`,
  key: hex(key),
  nonce: hex(long ? 'cafebabefacedbaddecaf888' : '000000000000000000000000'),
  additional: hex(long ? 'feedfacedeadbeeffeedfacedeadbeefabaddad2' : ''),
  plaintext: long
    ? hex(
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      )
    : new Uint8Array(ciphertext.length / 2),
  ciphertext: hex(ciphertext),
  tag: hex(tag),
});

const ZERO_KEY = '00000000000000000000000000000000';
const KEY = 'feffe9928665731c6d6a8f9467308308';

export const AES_128_GCM: readonly VectorOf<'aead'>[] = [
  gcm(1, ZERO_KEY, '', '58e2fccefa7e3061367f1d57a4e7455a', false),
  gcm(2, ZERO_KEY, '0388dace60b6a392f328c2b971b2fe78', 'ab6e47d42cec13bdf53a67b21257bddf', false),
  gcm(
    4,
    KEY,
    '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
    '5bc94fbc3221a5db94fae95ae7121a47',
    true,
  ),
];

export const AES_256_GCM: readonly VectorOf<'aead'>[] = [
  gcm(13, ZERO_KEY + ZERO_KEY, '', '530f8afbc74536b9a963b4f1c4cb738b', false),
  gcm(14, ZERO_KEY + ZERO_KEY, 'cea7403d4d606b6e074ec5d3baf39d18', 'd0d1c8a799996bf0265b98b5d48ab919', false),
  gcm(
    16,
    KEY + KEY,
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
    '76fc6ece0f4e1768cddf8853bb2d551b',
    true,
  ),
];

export const CHACHA20_POLY1305: readonly VectorOf<'aead'>[] = [
  {
    kind: 'aead',
    source: 'RFC 8439, 2.8.2',
    key: Uint8Array.from({ length: 32 }, (_, index) => 0x80 + index),
    nonce: hex('070000004041424344454647'),
    additional: hex('50515253c0c1c2c3c4c5c6c7'),
    plaintext: ascii(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    ),
    ciphertext: hex(
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b' +
        '1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
        '3ff4def08e4b7a9de576d26586cec64b6116',
    ),
    tag: hex('1ae10b594f09e26a7e902ecbd0600691'),
  },
];
