import { describe } from '@jest/globals';
import { FramesSite } from './frames-site.js';
import { overlayScenario } from './overlay.js';
import { policiesScenario } from './policies.js';
import { routingScenario } from './routing.js';

// What needs no real kernel takes place in this process, too, from the same text as with real packets.

describe('an overlay of two DPUs, with simulated frames', () => {
  overlayScenario(FramesSite.open);
});

describe('the networks of a router, with simulated frames', () => {
  routingScenario(FramesSite.open);
});

describe('security policies, with simulated frames', () => {
  policiesScenario(FramesSite.open);
});
