import { expect, it } from '@jest/globals';
import type { AeadCipher } from '../engine/algorithms.js';
import { generatePrivateKey, open, privateKeyFrom, publicKeyFrom, rawPublicKey, seal } from './hpke.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const INFO = Buffer.from('Ode on a Grecian Urn');
const PLAINTEXT = Buffer.from('Beauty is truth, truth beauty');

/** RFC 9180, appendix A: mode base, the first message. The RFC has none for X25519 with AES-256-GCM. */
const PUBLISHED: {
  source: string;
  cipher: AeadCipher;
  privateKey: string;
  enc: string;
  ciphertext: string;
}[] = [
  {
    source: 'A.1.1',
    cipher: 'aes-128-gcm',
    privateKey: '4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8',
    enc: '37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431',
    ciphertext: 'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
  },
  {
    source: 'A.2.1',
    cipher: 'chacha20-poly1305',
    privateKey: '8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb',
    enc: '1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a',
    ciphertext: '1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28',
  },
];

it.each(PUBLISHED)('opens what RFC 9180 $source sealed', ({ cipher, privateKey, enc, ciphertext }) => {
  const context = { cipher, info: INFO, additional: Buffer.from('Count-0') };
  const sealed = { encapsulated: hex(enc), ciphertext: hex(ciphertext) };
  expect(open(privateKeyFrom(hex(privateKey)), sealed, context)).toEqual(PLAINTEXT);
});

it('seals as RFC 9180 A.1.1 does', () => {
  const recipient = publicKeyFrom(hex('3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d'));
  const ephemeral = privateKeyFrom(hex('52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736'));
  const context = { cipher: 'aes-128-gcm' as const, info: INFO, additional: Buffer.from('Count-0') };
  const { encapsulated, ciphertext } = seal(recipient, PLAINTEXT, context, ephemeral);
  expect(Buffer.from(encapsulated).toString('hex')).toBe(PUBLISHED[0]?.enc);
  expect(Buffer.from(ciphertext).toString('hex')).toBe(PUBLISHED[0]?.ciphertext);
});

it('opens for the recipient alone, under the same info, undamaged', () => {
  const recipient = generatePrivateKey();
  const sealed = seal(publicKeyFrom(rawPublicKey(recipient)), PLAINTEXT, { info: INFO });
  expect(open(recipient, sealed, { info: INFO })).toEqual(PLAINTEXT);
  expect(open(generatePrivateKey(), sealed, { info: INFO })).toBeUndefined();
  expect(open(recipient, sealed, { info: Buffer.from('another') })).toBeUndefined();
  const damaged = Buffer.from(sealed.ciphertext);
  damaged[0] = (damaged[0] ?? 0) ^ 1;
  expect(open(recipient, { ...sealed, ciphertext: damaged }, { info: INFO })).toBeUndefined();
  expect(open(recipient, { ...sealed, encapsulated: Buffer.alloc(32) }, { info: INFO })).toBeUndefined();
  expect(open(recipient, { ...sealed, encapsulated: Buffer.alloc(31) }, { info: INFO })).toBeUndefined();
  expect(open(recipient, { ...sealed, ciphertext: Buffer.alloc(3) }, { info: INFO })).toBeUndefined();
});
