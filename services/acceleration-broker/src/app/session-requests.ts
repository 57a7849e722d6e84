import { createHash } from 'node:crypto';
import type { Message, Received } from '@outboard/bus';
import { decodeJson, NameRequestSchema, parseRequestSubject } from '@outboard/contracts';
import { AppError, err, ok, type Random, type Result } from '@outboard/core';
import type { AccelerationSession } from '@outboard/model';
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
    const found = await this.#find(received);
    if (!found.ok) return found;
    const { metadata, spec } = found.value;
    if (spec.tokenSha256 !== undefined) {
      const text = 'the spec tells the digest of a token: whoever wrote it has that one';
      return err(new AppError('FAILED_PRECONDITION', text, { reason: 'TOKEN_GIVEN' }));
    }
    const bytes = Buffer.from(this.random.bytes(TOKEN_BYTES));
    const tokenSha256 = createHash('sha256').update(bytes).digest('hex');
    const { tenant, name } = metadata;
    const written = await this.service.change(`tenant/${tenant}`, (context) =>
      ok(this.domain.setToken(tenant, name, tokenSha256, context)),
    );
    const body = Buffer.from(JSON.stringify({ token: bytes.toString('hex'), tokenSha256 }));
    bytes.fill(0);
    return written.ok ? ok({ headers: {}, body }) : written;
  }

  /** What a session does, as its worker told it last. */
  async counters(received: Received): Promise<Result<Message, AppError>> {
    const found = await this.#find(received);
    return found.ok ? ok(this.activities.counters(found.value)) : found;
  }

  async #find({ subject, body }: Received): Promise<Result<AccelerationSession, AppError>> {
    const { tenant = '' } = parseRequestSubject(subject) ?? {};
    const request = decodeJson(NameRequestSchema, body);
    if (!request.ok) return err(request.error.toError());
    const { name } = request.value;
    return this.service.query(() => {
      const session = this.domain.session(tenant, name);
      if (session) return ok(session);
      const text = `accelerationsession ${tenant}/${name} does not exist`;
      return err(new AppError('NOT_FOUND', text, { reason: 'NOT_FOUND' }));
    });
  }
}
