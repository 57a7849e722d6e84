import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ALGORITHM_NAMES, operationsOf } from './algorithms.js';
import type { EngineModule, EngineOf, ModuleLoader } from './engine.js';
import { EngineSet, MODULES } from './engine-set.js';
import { node } from './modules/node.js';

const engines = EngineSet.open();

it('every algorithm has published vectors, and every module that is here gives their answers', () => {
  expect(engines.quarantined).toEqual([]);
  for (const algorithm of ALGORITHM_NAMES) {
    for (const operation of operationsOf(algorithm)) {
      expect([algorithm, engines.find(operation, algorithm, 0)?.implementation]).toEqual([
        algorithm,
        'SOFTWARE_NATIVE',
      ]);
    }
  }
});

it('without native libraries everything but Zstandard is done by what comes with Node', () => {
  const runtime = EngineSet.open([node]);
  const missing = ALGORITHM_NAMES.filter((name) => {
    const [operation] = operationsOf(name);
    return operation !== undefined && runtime.find(operation, name, 0) === undefined;
  });
  expect(missing).toEqual(['ZSTD']);
  expect(runtime.quarantined).toEqual([]);
});

/** A module whose engine forgets the last byte of every digest. */
const forgetful: ModuleLoader = {
  name: 'forgetful',
  open(): EngineModule {
    const { engines: real } = node.open();
    const engine = real.SHA_256 as EngineOf<'digest'>;
    return {
      name: 'forgetful',
      implementation: 'HARDWARE',
      engines: {
        SHA_256: {
          kind: 'digest',
          digest(input, output) {
            engine.digest(input, output);
            output[31] = 0;
          },
        },
        SHA_512: real.SHA_512 as EngineOf<'digest'>,
      },
    };
  },
};

it('a module that fails its self-test is quarantined for that operation alone, and the next one takes over', () => {
  const set = EngineSet.open([forgetful, ...MODULES]);
  expect(set.find('GENERATE', 'SHA_256', 0)?.module).toBe('libcrypto');
  expect(set.find('GENERATE', 'SHA_512', 0)?.module).toBe('forgetful');
  expect(set.quarantined).toEqual(
    ['GENERATE', 'VERIFY'].map((operation) => ({
      module: 'forgetful',
      operation,
      algorithm: 'SHA_256',
      reason: 'FIPS 180-4 examples: another digest',
    })),
  );
});

it('a module that cannot be opened is told with the reason, and the others are there', () => {
  const absent: ModuleLoader = {
    name: 'absent',
    open() {
      throw new Error('no such device');
    },
  };
  const set = EngineSet.open([absent, node]);
  expect(set.quarantined).toEqual([{ module: 'absent', reason: 'no such device' }]);
  expect(set.find('ENCRYPT', 'AES_256_GCM', 0)?.module).toBe('node');
});

it('a level that the preferred module does not have is done by one that has it', () => {
  expect(engines.find('COMPRESS', 'GZIP', 1)?.module).toBe('isal');
  expect(engines.find('COMPRESS', 'GZIP', 9)?.module).toBe('node');
  expect(engines.find('COMPRESS', 'GZIP', 10)).toBeUndefined();
});

const inverseOf = { ENCRYPT: 'DECRYPT', COMPRESS: 'DECOMPRESS' } as const;

it('decompression undoes compression, whichever modules do the two', () => {
  const pairs = engines.candidates.filter(({ operation }) => operation === 'COMPRESS');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 3 }), (unit, level) => {
      const plain = Buffer.concat([unit, unit, unit]);
      for (const { engine, algorithm } of pairs) {
        const room = new Uint8Array(plain.length + 1024);
        const length = (engine as EngineOf<'compression'>).compress(level, plain, room);
        expect(typeof length).toBe('number');
        for (const other of engines.candidates) {
          if (other.operation !== inverseOf.COMPRESS || other.algorithm !== algorithm) continue;
          const output = new Uint8Array(plain.length);
          const inflated = (other.engine as EngineOf<'compression'>).decompress(
            room.subarray(0, length as number),
            output,
          );
          expect([other.module, inflated]).toEqual([other.module, plain.length]);
          expect(Buffer.compare(output, plain)).toBe(0);
        }
      }
    }),
    { numRuns: 25 },
  );
});

it('all modules answer alike: ciphertext, tag, digests and codes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 3000 }),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.uint8Array({ maxLength: 40 }),
      (input, nonce, additional) => {
        const answers = new Map<string, string>();
        for (const { operation, algorithm, engine } of engines.candidates) {
          const output = new Uint8Array(Math.max(64, input.length));
          const tag = new Uint8Array(16);
          if (engine.kind === 'aead' && operation === 'ENCRYPT') {
            const key = engine.open(new Uint8Array(algorithm === 'AES_128_GCM' ? 16 : 32).fill(7));
            key.encrypt(nonce, additional, input, output, tag);
            const back = new Uint8Array(input.length);
            expect(key.decrypt(nonce, additional, output.subarray(0, input.length), back, tag)).toBe(true);
            expect(Buffer.compare(back, input)).toBe(0);
            key[Symbol.dispose]();
          } else if (engine.kind === 'digest') engine.digest(input, output);
          else if (engine.kind === 'mac') engine.authenticate(nonce, input, output);
          else continue;
          const answer = `${Buffer.from(output).toString('hex')} ${Buffer.from(tag).toString('hex')}`;
          expect(answers.get(`${operation} ${algorithm}`) ?? answer).toBe(answer);
          answers.set(`${operation} ${algorithm}`, answer);
        }
      },
    ),
    { numRuns: 40 },
  );
});

it('what is cut off, goes on after its end, or is noise does not decompress; too little room is told apart', () => {
  const plain = Buffer.from('acceleration '.repeat(500));
  for (const { operation, algorithm, engine, module } of engines.candidates) {
    if (operation !== 'DECOMPRESS' || engine.kind !== 'compression') continue;
    const room = new Uint8Array(plain.length);
    const length = engine.compress(1, plain, room) as number;
    const outcome = (input: Uint8Array, bytes = plain.length): unknown => [
      module,
      algorithm,
      engine.decompress(input, new Uint8Array(bytes)),
    ];
    expect(outcome(room.slice(0, length - 1))).toEqual([module, algorithm, 'corrupt']);
    expect(outcome(Buffer.concat([room.subarray(0, length), Buffer.from('x')]))).toEqual([
      module,
      algorithm,
      'corrupt',
    ]);
    expect(outcome(Buffer.alloc(40, 0xa7))).toEqual([module, algorithm, 'corrupt']);
    expect(outcome(room.slice(0, length), plain.length - 1)).toEqual([module, algorithm, 'overflow']);
    expect(engine.compress(1, plain, new Uint8Array(4))).toBe('overflow');
  }
});
