// A process that commits as fast as it can until it is killed. Prints the number of every commit that was acknowledged.
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../dist/index.js';

const [path, durability, thread, first] = process.argv.slice(2);
const CALLERS = 20;

const store = await openSqliteStore({ path, durability, thread });
let next = Number(first);

async function commitForEver() {
  for (;;) {
    const number = next++;
    const row = (part) => ({
      key: { kind: 'Port', tenant: part, name: `p${number}` },
      value: JSON.stringify({ padding: 'x'.repeat(2_000) }),
      indexes: [{ index: 'port.number', value: `${number}`, unique: false }],
    });
    const committed = await store.commit({
      expect: [],
      puts: [row('a'), row('b')],
      deletes: [],
      outbox: [{ messageId: `m${number}`, subject: 'event', headers: {}, body: new Uint8Array(500) }],
      remember: [{ messageId: `m${number}`, fingerprint: 'f', answer: '{}' }],
    });
    if (!committed.ok) throw new Error(JSON.stringify(committed.error));
    // Not buffered: what the parent has read was acknowledged before the kill.
    writeSync(1, `${number}\n`);
  }
}

await Promise.all(Array.from({ length: CALLERS }, commitForEver));
