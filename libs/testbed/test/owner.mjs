// A program that owns a testbed, for ownership.spec.ts: builds it with something running in it, says so, and then
// ends as it is told by its second argument.
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
process.stdout.write(`${JSON.stringify({ pid: program.pid, directory: testbed.directory })}\n`);
if (ending === 'throw') throw new Error('the owner fails');
if (ending === 'exit') process.exit(0);
setInterval(() => undefined, 1000);
