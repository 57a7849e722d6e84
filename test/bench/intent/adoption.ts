/**
 * A worker that starts on a DPU whose kernel has everything already: the ports of a large network, some of them its own. From
 * the start of the process until it has adopted all of it, while two of its pods talk: nothing may be changed, no packet lost.
 * `--ports=NUMBER`: of the network; default 10,000.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@outboard/core';
import { Testbed, UdpFlow } from '@outboard/testbed';
import { note, report } from '../report.js';
import { removeRoutersAtEnd } from '../routers.js';
import { sized } from '../sizes.js';
import { portAddress, portMac } from './document.js';

const BENCH = 'intent';
const PORTS = Number(/^--ports=(\d+)$/m.exec(process.argv.slice(2).join('\n'))?.[1] ?? sized(10_000, 200));
/** Of them on this DPU. */
const LOCAL = sized(256, 8);
const ROUNDS = sized(3, 1);
/** Packets per second between the pods. */
const RATE = 1_000;
const PROGRAM = fileURLToPath(new URL('./adopting-worker.js', import.meta.url));

interface Adoption {
  readonly milliseconds: number;
  readonly operations: number;
  readonly megabytes: number;
  readonly child: ChildProcess;
}

const name = `adopt${process.pid.toString(36)}`;
removeRoutersAtEnd(name);
const testbed = await Testbed.create({
  name,
  dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: LOCAL }],
});

async function start(): Promise<Adoption> {
  const { plan } = testbed.dpu('dpu-1');
  const parameters = [name, plan.namespace, plan.underlay.device, `${PORTS}`, `${LOCAL}`];
  const started = systemClock.monotonic();
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(child.stdout), 'line');
  const milliseconds = systemClock.monotonic() - started;
  return { ...(JSON.parse(line) as Pick<Adoption, 'operations' | 'megabytes'>), milliseconds, child };
}

async function kill({ child }: Adoption): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function podOn(vfNumber: number) {
  const dpu = testbed.dpu('dpu-1');
  const pod = await testbed.createPod({ name: `pod-${vfNumber}`, host: dpu.host.name });
  const addresses = [{ ip: portAddress(vfNumber), prefixLength: 16 }];
  await pod.attach(dpu, vfNumber, { mtu: 1450, macAddress: portMac(vfNumber), addresses });
  return pod;
}

const tell = (metric: string, value: number, unit: string, bar: string | null, ok: boolean): void =>
  report({ bench: BENCH, metric, value, unit, baseline: null, ratio: null, bar, ok });

try {
  note(`${PORTS} ports, ${LOCAL} of them on this DPU; the first worker makes all of it`);
  const first = await start();
  tell(
    `${PORTS} ports made and read back, from the start of the process`,
    first.milliseconds,
    'ms',
    null,
    true,
  );
  await kill(first);
  const [from, to] = [await podOn(0), await podOn(1)];
  const flow = UdpFlow.start({ from, to, rate: RATE });
  await flow.progress(RATE);
  const rounds: Adoption[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const adoption = await start();
    rounds.push(adoption);
    await kill(adoption);
  }
  const { lost, sent } = await flow.stop();
  const worst = Math.max(...rounds.map(({ milliseconds }) => milliseconds));
  const changes = Math.max(...rounds.map(({ operations }) => operations));
  const megabytes = Math.max(...rounds.map((round) => round.megabytes));
  tell(
    `${PORTS} ports adopted after a kill, from the start of the process (worst of ${ROUNDS})`,
    worst,
    'ms',
    'stated',
    true,
  );
  tell('changes of the kernel that adoption makes', changes, '', 'value = 0', changes === 0);
  tell(`packets lost meanwhile, of ${sent}`, lost, '', 'value = 0', lost === 0);
  tell('resident after adoption', megabytes, 'MiB', 'stated', true);
} finally {
  await testbed.dispose();
}
