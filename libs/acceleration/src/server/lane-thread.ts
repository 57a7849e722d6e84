// A thread of the data path. It has no event loop of its own while it works: it waits for descriptors, one of which tells
// that there are messages.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { invariant } from '@outboard/core';
import { libc } from '@outboard/ffi';
import { EngineSet, MODULES } from '../engine/engine-set.js';
import { FastPath } from '../lane/fast-path.js';
import { Lane } from '../lane/lane.js';
import type { ThreadActivity } from '../lane/thread-activity.js';
import { monotonic, sharedMonotonic } from '../monotonic.js';
import type { LaneAnswer, LaneRequest, LaneThreadData } from './lane-messages.js';

invariant(parentPort !== null, 'this is the program of a thread');
serve(parentPort, workerData as LaneThreadData);

function serve(port: MessagePort, { lane: name, wake }: LaneThreadData): void {
  const answer = (message: LaneAnswer): void => port.postMessage(message);
  const engines = EngineSet.open(MODULES, (change) => answer({ kind: 'breaker', change }));
  const lane = new Lane({
    name,
    engines,
    fastPath: FastPath.open(),
    onRefill: (keyUid, version) => answer({ kind: 'refill', keyUid, version }),
  });
  let stopped: number | undefined;

  const handle = (request: LaneRequest): void => {
    try {
      const activity = carryOut(lane, request);
      if (request.kind === 'stop') stopped = request.id;
      else answer({ kind: 'done', id: request.id, ...(activity === undefined ? {} : { activity }) });
    } catch (failure) {
      const message = failure instanceof Error ? failure.message : String(failure);
      answer({ kind: 'failed', id: request.id, message });
    }
  };

  const counter = Buffer.alloc(8);
  lane.watch(wake, () => {
    libc.read(wake, counter);
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      handle(next.message as LaneRequest);
  });
  // Whatever ends the thread, nobody is left waiting at a socket that no one serves.
  try {
    while (stopped === undefined) lane.turn();
  } finally {
    lane[Symbol.dispose]();
  }
  answer({ kind: 'done', id: stopped });
  port.close();
}

function carryOut(lane: Lane, request: LaneRequest): ThreadActivity | undefined {
  switch (request.kind) {
    case 'grant':
      lane.grant(request.grant, request.path);
      return undefined;
    case 'revoke':
      lane.revoke(request.sessionUid);
      return undefined;
    case 'offer':
      lane.offer(request.offer);
      return undefined;
    case 'faults':
      lane.setFaults(request.faults);
      return undefined;
    case 'lease':
      // In this order: see the data path.
      lane.lease(monotonic() + (request.end - sharedMonotonic()));
      return undefined;
    case 'activity':
      return lane.activity;
    case 'stop':
      return undefined;
  }
}
