import { describe, expect, it } from '@jest/globals';
import { arpFrame, encapsulated, FrameCapture, FrameSender, isArp, ping } from '@outboard/testbed';
import { overlayScenario } from './overlay.js';
import { PacketsSite } from './packets-site.js';
import { untilAnswered } from './waiting.js';

describe('an overlay of two DPUs, with real packets', () => {
  const world = overlayScenario(() => PacketsSite.open('overlay'));

  it('answers ARP for known ports on the DPU: no ARP crosses the tunnel', async () => {
    const { site, acme, podOf } = world;
    const capture = await FrameCapture.open(site.stack.testbed.dpu('dpu-a'), 'up0', (frame) => {
      const inner = encapsulated(frame);
      return inner !== undefined && isArp(inner);
    });
    const web = podOf('acme-web-0');
    const sender = await FrameSender.open(site.podOf(web), 'eth0');
    try {
      const senderMac = acme.port('web-0')?.status.macAddress ?? '';
      sender.send(
        arpFrame({ operation: 'request', senderMac, senderIp: '10.0.1.11', targetIp: '10.0.1.21' }),
      );
      await untilAnswered(site, web, '10.0.1.21');
      expect(capture.report.seen).toBeGreaterThan(0);
      expect(capture.report.count).toBe(0);
    } finally {
      sender[Symbol.dispose]();
      capture[Symbol.dispose]();
    }
  });

  it('carries packets of the announced MTU, and none that are larger', async () => {
    const { site, acme, podOf } = world;
    const web = site.podOf(podOf('acme-web-0'));
    const mtu = acme.port('web-0')?.status.mtu ?? 0;
    expect(mtu).toBe(1450);
    const fits = await ping(web, '10.0.1.21', { payloadBytes: mtu - 28, doNotFragment: true });
    expect(fits.received).toBe(1);
    const tooLarge = await ping(web, '10.0.1.21', { payloadBytes: mtu - 27, doNotFragment: true });
    expect(tooLarge.received).toBe(0);
  });
});
