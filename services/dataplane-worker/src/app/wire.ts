import { create } from '@bufbuild/protobuf';
import {
  type Delta as DeltaMessage,
  DeltaSchema,
  DocumentDigest,
  type DocumentEntry,
  type DocumentVersion as DocumentVersionMessage,
  DocumentVersionSchema,
  decodeBinary,
  encodeBinary,
  FetchRequestSchema,
  FetchResponseSchema,
  ObjectProblem_State,
  ObjectProblemSchema,
  ObservedReportSchema,
  SoftwareObjectSchema,
  SyncRequestSchema,
  SyncResponseSchema,
} from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import { type DocumentReport, type DocumentVersion, MAX_LISTED_PROBLEMS } from '@outboard/dataplane/contract';
import type { Delta, Page, SyncAnswer } from '../domain/replica-protocol.js';

/** A change that was published. INVALID_ARGUMENT: it is no Delta, or breaks a rule of document.proto. */
export function decodeDelta(body: Uint8Array): Result<Delta, AppError> {
  return decoded(() => deltaOf(orThrow(decodeBinary(DeltaSchema, body))));
}

export const encodeSyncRequest = (incarnation: string, version: DocumentVersion): Uint8Array =>
  encodeBinary(
    SyncRequestSchema,
    create(SyncRequestSchema, { incarnation, version: versionMessage(version) }),
  );

export function decodeSyncResponse(body: Uint8Array): Result<SyncAnswer, AppError> {
  return decoded(() => {
    const { answer } = orThrow(decodeBinary(SyncResponseSchema, body));
    switch (answer.case) {
      case 'current':
        return { kind: 'current' };
      case 'deltas':
        return { kind: 'deltas', deltas: answer.value.deltas.map(deltaOf) };
      case 'fetch':
        return { kind: 'fetch', version: versionOf(answer.value.version) };
      case undefined:
        return refuse('SyncResponse: must have an answer');
    }
  });
}

export const encodeFetchRequest = (pageToken: string): Uint8Array =>
  encodeBinary(FetchRequestSchema, create(FetchRequestSchema, { pageToken }));

export function decodeFetchResponse(body: Uint8Array): Result<Page, AppError> {
  return decoded(() => {
    const { version, objects, nextPageToken } = orThrow(decodeBinary(FetchResponseSchema, body));
    return { version: versionOf(version), objects: objects.map(entryOf), nextPageToken };
  });
}

const MAX_PROBLEM_MESSAGE = 512;
const MAX_OFFLOAD_REASON = 256;
/** All that is listed together, bytes: with its envelope a report stays under what a message may have. */
const MAX_LISTED_BYTES = 200 * 1024;

/** The report with as much of its lists as a message can carry; their totals tell how many there are. */
export function encodeReport(incarnation: string, report: DocumentReport): Uint8Array {
  const problems = [];
  let bytes = 0;
  for (const { key, source, state, message, isUnderWay, isRolledBack } of report.problems.slice(
    0,
    MAX_LISTED_PROBLEMS,
  )) {
    const problem = create(ObjectProblemSchema, {
      key,
      source,
      state: ObjectProblem_State[state],
      message: message.slice(0, MAX_PROBLEM_MESSAGE),
      underWay: isUnderWay === true,
      rolledBack: isRolledBack === true,
    });
    bytes += encodeBinary(ObjectProblemSchema, problem).length;
    if (bytes > MAX_LISTED_BYTES) break;
    problems.push(problem);
  }
  const inSoftware = [];
  for (const { key, reason } of report.offload?.inSoftware ?? []) {
    const object = create(SoftwareObjectSchema, { key, reason: reason.slice(0, MAX_OFFLOAD_REASON) });
    bytes += encodeBinary(SoftwareObjectSchema, object).length;
    if (bytes > MAX_LISTED_BYTES) break;
    inSoftware.push(object);
  }
  const { problemTotal, repaired } = report;
  const version = versionMessage(report.version);
  return encodeBinary(
    ObservedReportSchema,
    create(ObservedReportSchema, {
      incarnation,
      version,
      problems,
      problemTotal,
      repaired,
      ...(report.offload && { offload: { inSoftware, inSoftwareTotal: report.offload.inSoftwareTotal } }),
    }),
  );
}

const versionMessage = (version: DocumentVersion): DocumentVersionMessage =>
  create(DocumentVersionSchema, version);

function versionOf(version: DocumentVersionMessage | undefined): DocumentVersion {
  if (version === undefined) return refuse('version: must be set');
  const { epoch, sequence, digest } = version;
  if (epoch === '') return refuse('version.epoch: must not be empty');
  if (digest.length !== 0 && digest.length !== 16) return refuse('version.digest: must have 16 bytes');
  return { epoch, sequence, digest: DocumentDigest.from(digest).toBytes() };
}

function deltaOf({ base, version: versionField, upserts, deletes }: DeltaMessage): Delta {
  const version = versionOf(versionField);
  if (version.sequence <= base) return refuse('version.sequence: must be greater than base');
  const changed = new Map<string, Uint8Array>();
  for (const { key, object } of upserts.map(entryOf)) changed.set(key, object);
  const keys = new Set([...changed.keys(), ...deletes]);
  if (keys.size !== upserts.length + deletes.length) return refuse('a key must occur once in a Delta');
  return { base, version, upserts: changed, deletes };
}

/** Copied: what was decoded shares the memory of everything that was read from the socket with it. */
const entryOf = ({ key, object }: DocumentEntry): DocumentEntry => ({ key, object: Uint8Array.from(object) });

function refuse(rule: string): never {
  throw new AppError('INVALID_ARGUMENT', rule);
}

function orThrow<Value>(result: Result<Value, AppError>): Value {
  if (!result.ok) throw result.error;
  return result.value;
}

function decoded<Value>(decode: () => Value): Result<Value, AppError> {
  try {
    return ok(decode());
  } catch (failure) {
    if (failure instanceof AppError) return err(failure);
    throw failure;
  }
}
