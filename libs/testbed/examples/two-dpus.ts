// Two DPUs, a pod on each, and between them a VXLAN that this program sets up by hand in place of a worker: then who
// reaches whom, and what a pulled cable does to a flow. Needs root.
import { setTimeout as pause } from 'node:timers/promises';
import { link, upFlags } from '@outboard/netlink';
import {
  connectivityMatrix,
  type Dpu,
  type Pod,
  TcpBulk,
  Testbed,
  tcpConnect,
  UdpFlow,
  waitConnected,
} from '@outboard/testbed';

const VNI = 1001;

const testbed = await Testbed.create({
  name: `ex${process.pid.toString(36)}`,
  underlayMtu: 1550,
  dpus: [
    { name: 'dpu-a', serialNumber: 'MT2113X00001', pfMacAddress: '08:c0:eb:00:00:01', functions: 8 },
    { name: 'dpu-b', serialNumber: 'MT2113X00002', pfMacAddress: '08:c0:eb:00:00:02', functions: 8 },
  ],
});

/** A bridge with a tunnel to the other DPU and one representor in it: what the linux driver does, without its care. */
async function connect(dpu: Dpu, other: Dpu, vfNumber: number): Promise<void> {
  const [local, group] = [dpu.addresses[0], other.addresses[0]];
  const { failures } = await dpu.socket.batch([
    link.create({ ifiIndex: 50, ifname: 'br0', mtu: 1500, ...upFlags(), linkinfo: { kind: 'bridge' } }),
    link.create({
      ifiIndex: 51,
      ifname: 'vx0',
      master: 50,
      mtu: 1500,
      ...upFlags(),
      linkinfo: { kind: 'vxlan', data: { id: VNI, port: 4789, ...(local && group && { local, group }) } },
    }),
    link.change({ ifiIndex: dpu.function(vfNumber).index, master: 50, ...upFlags() }),
  ]);
  if (failures.length > 0) throw new Error(JSON.stringify(failures));
}

/** A pod with a function of the DPU, as the host's CNI would make it from the status of a Port. */
async function podOn(dpu: Dpu, name: string, ip: string): Promise<Pod> {
  const pod = await testbed.createPod({ name, host: dpu.plan.host });
  await pod.attach(dpu, 3, { mtu: 1500, addresses: [{ ip, prefixLength: 24 }] });
  return pod;
}

try {
  const [a, b] = [testbed.dpu('dpu-a'), testbed.dpu('dpu-b')];
  await connect(a, b, 3);
  await connect(b, a, 3);
  const web = await podOn(a, 'web', '10.0.1.5');
  const db = await podOn(b, 'db', '10.0.1.6');

  await waitConnected([web, db]);
  const matrix = await connectivityMatrix([web, db]);
  console.log(`pairs: ${matrix.entries.length}, not connected: ${matrix.failures.length}`);
  const { kind } = await tcpConnect(web, db, 5432);
  console.log(`TCP: ${kind}`);

  const bulk = await TcpBulk.start(testbed, { from: web, to: db });
  await pause(500);
  const { forward, backward } = await bulk.stop();
  console.log(`bulk moved bytes: ${(forward?.bytes ?? 0) > 0} ${(backward?.bytes ?? 0) > 0}`);

  const flow = UdpFlow.start({ from: web, to: db, rate: 1000 });
  await flow.progress(200);
  await testbed.setCable('dpu-b', 'underlay', 'pulled');
  await pause(100);
  await testbed.setCable('dpu-b', 'underlay', 'plugged');
  await flow.progress(200);
  const { lost, longestGapMilliseconds, receiverDrops } = await flow.stop();
  console.log(
    `the flow lost packets: ${lost > 0}, its longest gap is at least 90 ms: ${longestGapMilliseconds > 90}`,
  );
  console.log(`lost by the probe itself: ${receiverDrops}`);
} finally {
  await testbed.dispose();
}
