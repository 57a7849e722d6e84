import { linuxPackets, ovsPackets } from '../../test/packet-worlds.js';
import { driverPackets } from '../../test/packets-suite.js';

driverPackets('linux and ovs', (name) => {
  const [linux, ovs] = [linuxPackets(name), ovsPackets()];
  const of = (dpu: string) => (dpu === 'dpu-1' ? linux : ovs);
  return {
    open: (dpu) => of(dpu.name).open(dpu),
    checksumOffload: (dpu) => of(dpu).checksumOffload(dpu),
    async [Symbol.asyncDispose]() {
      await linux[Symbol.asyncDispose]();
      await ovs[Symbol.asyncDispose]();
    },
  };
});
