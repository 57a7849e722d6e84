import { createHash } from 'node:crypto';
import type { Message, Received } from '@outboard/bus';
import { decodeJson, NameRequestSchema, parseRequestSubject } from '@outboard/contracts';
import { type AppError, err, ok, type Random, type Result } from '@outboard/core';
import { notFound } from '@outboard/model/decide';
import type { ResourceService } from '@outboard/resource-service';
import type { AccelerationDomain } from '../domain/acceleration-domain.js';
import type { SessionActivities } from './session-activity.js';

const TOKEN_BYTES = 32;

/** What can be asked of a session besides what can be asked of every resource. */
export class SessionRequests {
  constructor(
    private readonly service: ResourceService,
    private readonly domain: AccelerationDomain,
    private readonly activities: SessionActivities,
    private readonly random: Random,
  ) {}

  /**
   * Gives a session a new token. It is told in this answer and nowhere else, and the one before is valid no more.
   * FAILED_PRECONDITION: the spec tells the digest of one, whose author has it.
   */
  async token(received: Received): Promise<Result<Message, AppError>> {
    const target = targetOf(received);
    if (!target.ok) return target;
    const { tenant, name } = target.value;
    const bytes = Buffer.from(this.random.bytes(TOKEN_BYTES));
    const tokenSha256 = createHash('sha256').update(bytes).digest('hex');
    const written = await this.service.change(`tenant/${tenant}`, (context) =>
      this.domain.setToken(tenant, name, tokenSha256, context),
    );
    const body = Buffer.from(JSON.stringify({ token: bytes.toString('hex'), tokenSha256 }));
    bytes.fill(0);
    return written.ok ? ok({ headers: {}, body }) : written;
  }

  /** What a session does, as its worker told it last. */
  async counters(received: Received): Promise<Result<Message, AppError>> {
    const target = targetOf(received);
    if (!target.ok) return target;
    const { tenant, name } = target.value;
    const session = await this.service.query(() => this.domain.session(tenant, name));
    return session
      ? ok(this.activities.counters(session))
      : err(notFound({ kind: 'AccelerationSession', metadata: target.value }));
  }
}

/** The session that a request is about, whether it exists or not. */
function targetOf({
  subject,
  body,
}: Received): Result<{ readonly tenant: string; readonly name: string }, AppError> {
  const { tenant = '' } = parseRequestSubject(subject) ?? {};
  const request = decodeJson(NameRequestSchema, body);
  return request.ok ? ok({ tenant, name: request.value.name }) : err(request.error.toError());
}
