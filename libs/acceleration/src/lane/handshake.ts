import { createHash, timingSafeEqual } from 'node:crypto';
import { type PeerCredentials, unixSocket } from '@outboard/ffi';
import {
  FLAG,
  FRAME,
  GRANT_UNIT,
  HEADER_BYTES,
  type Header,
  headerOf,
  TOKEN_BYTES,
  writeHeader,
} from '../wire/frame.js';
import { REGION } from '../wire/ring.js';
import { STATUS, type Status } from '../wire/status.js';
import type { Connection } from './connection.js';
import type { SessionGrant } from './grant.js';

/** Most shared memory of a connection, bytes. */
const MAXIMUM_REGION = 64 << 20;
const PAGE = 4096;

/** Whether a connection may have the session, in the words of a status. */
export function authenticate(
  grant: SessionGrant,
  connections: number,
  header: Header,
  token: Uint8Array,
  peer: PeerCredentials,
): Status {
  if (grant.peerUid !== undefined && grant.peerUid !== peer.uid) return STATUS.UNAUTHENTICATED;
  if (token.length !== TOKEN_BYTES) return STATUS.UNAUTHENTICATED;
  const digest = createHash('sha256').update(token).digest();
  if (!grant.tokenDigests.some((each) => timingSafeEqual(digest, each))) return STATUS.UNAUTHENTICATED;
  if (header.epoch !== grant.epoch) return STATUS.STALE_EPOCH;
  return connections > grant.maximumConnections ? STATUS.RESOURCE_EXHAUSTED : STATUS.OK;
}

/**
 * Grants what the HELLO of an authenticated connection asks for, and answers it. The descriptor of the shared memory
 * comes with the answer.
 */
export function welcome(connection: Connection, grant: SessionGrant, header: Header): void {
  const answer = headerOf(FRAME.WELCOME, {
    code: STATUS.OK,
    epoch: grant.epoch,
    grantedJobs: grant.maximumJobs,
    grantedUnits: Math.min(0xffff, Math.ceil(grant.maximumBytes / GRANT_UNIT)),
  });
  connection.moderation.wanted = (header.flags & FLAG.BATCHES) !== 0;
  if ((header.flags & FLAG.INPUT_SHARED) === 0) {
    connection.send(answer);
    return;
  }
  const limit = Math.min(MAXIMUM_REGION, grant.maximumBytes) + REGION.payload;
  const wanted = Math.max(header.inputOffset, REGION.payload + GRANT_UNIT);
  const length = Math.ceil(Math.min(wanted, limit) / PAGE) * PAGE;
  const withRings = (header.flags & FLAG.RINGS) !== 0;
  const region = connection.share(`outboard-${grant.sessionUid}`, length, withRings);
  answer.flags = FLAG.INPUT_SHARED | (withRings ? FLAG.RINGS : 0);
  answer.inputOffset = length;
  answer.outputOffset = REGION.payload;
  const bytes = new Uint8Array(HEADER_BYTES);
  writeHeader(new DataView(bytes.buffer), 0, answer);
  // The first that is sent on this socket: there is room for it.
  unixSocket.sendDescriptor(connection.descriptor, bytes, region.descriptor);
}
