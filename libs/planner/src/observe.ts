import { objectKeys } from '@outboard/contracts';
import { equal } from '@outboard/core';
import type { DocumentReport, ReportedOffload, ReportedProblem } from '@outboard/document-owner/documents';
import { findCondition } from '@outboard/model';
import type { Context, Decision } from './api.js';
import { confirmObject } from './awaited.js';
import { confirm, expectConfirmation, isSettled, knows } from './confirmation.js';
import { Draft } from './draft.js';
import type { AwaitedEntry, DpuEntry, NetworkEntry, PortEntry, RouterEntry } from './entries.js';
import { sameOffload } from './offload.js';
import { replanFreed } from './project.js';
import { confirmReleases } from './release.js';
import { writePortHealth, writePropagation } from './settle.js';
import { rewriteNetlinkObject } from './settle-netlink-objects.js';
import { rewritePolicy } from './settle-policies.js';
import { rewriteServiceChain } from './settle-service-chains.js';
import { rewriteRouter, withNews } from './settle-touched.js';
import { healthOf, troublesOn } from './trouble.js';
import type { World } from './world.js';

/**
 * Takes over what a worker has applied and read back: ports become ready or show their problem, propagation completes,
 * quarantined values become free. Costs as much as what was not confirmed before, or has or had a problem; as all
 * ports of the DPU when hardware has others than before.
 */
export function observe(world: World, report: DocumentReport, context: Context): Decision {
  const draft = new Draft(world, context);
  const dpu = world.dpus.get(report.dpu);
  if (!dpu) return draft.decision();
  const touched = new Set<PortEntry>();
  if (report.sequence < (dpu.applied ?? 0)) expectAgain(dpu, report.sequence, touched);
  const before = dpu.problems;
  dpu.applied = report.sequence;
  // A list that was cut does not tell what is well: nothing gets better by it.
  const complete = report.problemTotal <= report.problems.length;
  const problems = new Map<string, ReportedProblem>(complete ? [] : before);
  for (const problem of report.problems) problems.set(problem.key, problem);
  dpu.problems = problems;
  takeOffload(dpu, report.offload, touched);

  for (const key of problems.keys()) {
    const port = portOf(world, dpu, key);
    if (!port) continue;
    if (!dpu.unconfirmed.has(port)) expectConfirmation(port, dpu, 0);
    touched.add(port);
  }
  if (complete) {
    for (const [port, sequence] of dpu.unconfirmed) {
      if (sequence > report.sequence || problems.has(keyOn(dpu, port))) continue;
      confirm(port, dpu);
      touched.add(port);
    }
    for (const { network } of dpu.memberships.values()) confirmJoining(network, report, touched);
  }
  for (const network of takeTroubles(world, dpu, touched)) {
    const news = healthOf(network, context.now);
    if (news) draft.put(news);
  }
  let settled = 0;
  for (const port of touched) {
    if (port.placement?.dpu === dpu) writePortHealth(draft, port);
    // Callers hear of a port of another DPU when the last one has it.
    else if (!isSettled(port)) continue;
    else if (settled++ < world.toldAtOnce) writePropagation(draft, port);
    else world.outdated.add(port);
  }
  const { routers, awaited } = withNews(world, dpu, before);
  if (complete) {
    confirmRouters(dpu, report.sequence, routers);
    confirmAwaited(dpu, report.sequence, awaited);
  }
  for (const router of routers) rewriteRouter(draft, router);
  for (const entry of awaited) {
    if ('place' in entry) rewriteNetlinkObject(draft, entry);
    else if ('overlapping' in entry) rewriteServiceChain(draft, entry);
    else rewritePolicy(draft, entry);
  }
  const released = [...dpu.waits].filter(([, sequence]) => sequence <= report.sequence);
  replanFreed(
    draft,
    confirmReleases(
      draft,
      released.map(([release]) => release),
      report.dpu,
    ),
  );
  return draft.decision();
}

/** What the DPU tells of its networks now; those of which that is news, or that wait for its report. */
function takeTroubles(world: World, dpu: DpuEntry, touched: Set<PortEntry>): Set<NetworkEntry> {
  const troubles = troublesOn(dpu, world.portsByUid);
  const news = new Set<NetworkEntry>();
  for (const member of dpu.memberships.values()) {
    const { network, trouble: before } = member;
    const after = troubles.get(network);
    member.trouble = after;
    if (!equal(before, after) || !isTrouble(network) !== !after) news.add(network);
    if (!equal(before?.base, after?.base)) for (const port of member.ports) touched.add(port);
  }
  return news;
}

const isTrouble = ({ record }: NetworkEntry): boolean =>
  findCondition(record.resource.status.conditions, 'Applied')?.status === 'False';

/** Which ports of the DPU hardware has: they all are looked at when that is another. */
function takeOffload(dpu: DpuEntry, offload: ReportedOffload | undefined, touched: Set<PortEntry>): void {
  const before = dpu.offload;
  dpu.offload = offload;
  if (sameOffload(before, offload)) return;
  for (const { ports } of dpu.memberships.values()) for (const port of ports) touched.add(port);
}

/** The DPU takes part in the network now; ports that waited for that only are known everywhere. */
function confirmJoining(
  network: NetworkEntry,
  { dpu, sequence }: DocumentReport,
  touched: Set<PortEntry>,
): void {
  if ((network.joining.get(dpu) ?? Infinity) > sequence) return;
  network.joining.delete(dpu);
  if (network.joining.size > 0 && !network.physical) return;
  for (const port of network.ports) if (isSettled(port)) touched.add(port);
}

/** The DPU has what last changed of its routers. */
function confirmRouters(dpu: DpuEntry, sequence: number, touched: Set<RouterEntry>): void {
  for (const router of dpu.routers.keys()) {
    if ((router.unconfirmed.get(dpu.record.name) ?? Infinity) > sequence) continue;
    router.unconfirmed.delete(dpu.record.name);
    touched.add(router);
  }
}

/** The DPU has policies and what callers have placed there, but for what it tells a problem of. */
function confirmAwaited(dpu: DpuEntry, sequence: number, touched: Set<AwaitedEntry>): void {
  for (const [entry, awaited] of dpu.awaited) {
    if (awaited > sequence) continue;
    confirmObject(entry, dpu);
    touched.add(entry);
  }
}

/** The DPU has lost what it had confirmed: its ports that changed since wait again. */
function expectAgain(dpu: DpuEntry, sequence: number, touched: Set<PortEntry>): void {
  for (const { network } of dpu.memberships.values()) {
    for (const port of network.ports) {
      if (!knows(dpu, port) || port.record.sequence <= sequence) continue;
      expectConfirmation(port, dpu, port.record.sequence);
      touched.add(port);
    }
  }
}

/** Key of the port's object in the DPU's document. */
function keyOn(dpu: DpuEntry, { record, placement }: PortEntry): string {
  const { uid } = record.resource.metadata;
  return placement?.dpu === dpu ? objectKeys.endpoint(uid) : objectKeys.remoteEndpoint(uid);
}

/** The port whose object has that key in the DPU's document. */
function portOf(world: World, dpu: DpuEntry, key: string): PortEntry | undefined {
  const port = world.portsByUid.get(key.slice(key.indexOf('/') + 1));
  return port && knows(dpu, port) && port.network.members.has(dpu.record.name) && keyOn(dpu, port) === key
    ? port
    : undefined;
}
