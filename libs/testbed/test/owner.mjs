// A program that owns a testbed, for ownership.spec.ts: builds it with something running in it, says so, and then
// ends as it is told by its second argument.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Testbed } from '../dist/index.js';

const [name, ending] = process.argv.slice(2);
const testbed = await Testbed.create({
  name,
  dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 2 }],
});
const program = testbed.program(testbed.dpu('dpu-1'), {
  name: 'parent',
  // A daemon of a program: in a session of its own, it outlives its parent.
  command: ['sh', '-c', 'setsid sleep infinity & echo up; exec sleep infinity'],
  isReady: (line) => line === 'up',
});
await program.start();
// A daemon that the owner starts by itself in a namespace, as a switch: nothing but its namespace tells whose it is.
const daemon = testbed
  .dpu('dpu-1')
  .namespace.run(() => spawn('sleep', ['infinity'], { detached: true, stdio: 'ignore' }));
await once(daemon, 'spawn');
const told = { pid: program.pid, daemon: daemon.pid, directory: testbed.directory };
process.stdout.write(`${JSON.stringify(told)}\n`);
if (ending === 'throw') throw new Error('the owner fails');
if (ending === 'exit') process.exit(0);
setInterval(() => undefined, 1000);
