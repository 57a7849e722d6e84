import type { Delivery, Message, Received, Settlement } from '@outboard/bus';
import {
  decodeError,
  encodeError,
  HEADERS,
  parseResourceSubject,
  type ResourceAddress,
} from '@outboard/contracts';
import { AppError, type Clock, err, ok, type Random, type Result, uuidv7 } from '@outboard/core';
import type { Uid } from '@outboard/model';
import type { Batch, Committed, Key, OutboxRelay, Store } from '@outboard/store';
import { ANSWER_MARKS, AnswerRetention } from './answer-retention.js';
import type { Command, DomainChange, DomainContext, ResourceDomain } from './domain.js';
import { GroupWriter } from './group-writer.js';
import { keyText } from './key-text.js';
import { getResource, listResources } from './list.js';
import { MessageFactory } from './messages.js';
import { DELETED_KIND, isSame, isSuperseded, type Origin, Origins, type StreamPosition } from './origins.js';
import {
  type Answer,
  answerToText,
  fingerprintOf,
  type IdentifiedRequest,
  recall,
  refusalOf,
} from './remembered.js';
import { type PublishedStates, repairStates } from './repair-states.js';
import { parseIntent, parseRequest, type Request } from './request.js';
import { allRows, rowOf, type StoredValue, valueIn } from './rows.js';
import { isTemporary } from './temporary.js';
import type { GroupTransaction, Transaction } from './transaction.js';
import {
  type Actor,
  actorFor,
  anonymous,
  type Cause,
  causeOf,
  checkHeaders,
  isMessageId,
  type Trigger,
} from './trigger.js';

/** Answers that are forgotten with one commit at most: more than a group can give. */
const FORGOTTEN_AT_ONCE = 2_000;

export interface ResourceServiceOptions {
  /** Name of the service: source of its events. */
  readonly name: string;
  readonly store: Store;
  readonly domain: ResourceDomain;
  readonly relay: OutboxRelay;
  readonly clock: Clock;
  readonly random: Random;
  /** What a whole group of changes causes together, before its commit. */
  readonly finish?: (transaction: Transaction, context: DomainContext) => void;
  /** The projection was made anew: whatever was derived from the old one is void. */
  readonly reloaded?: () => void;
}

/**
 * Turns a domain into a service: intents and requests in, one commit for each group of them with rows, answers, events
 * and states, and the outbox behind it.
 */
export class ResourceService implements AsyncDisposable {
  readonly #options: ResourceServiceOptions;
  readonly #writer: GroupWriter;
  #origins = new Origins();
  #retention = new AnswerRetention(undefined);
  /** Answers before this revision are forgotten, as far as is known; undefined while some are being forgotten. */
  #forgottenBefore: number | undefined = 0;
  /** Revisions that were handed out may be those of the projection: it has to be made again under a new one. */
  #needsRevision = false;
  #messages: { readonly of: Transaction; readonly factory: MessageFactory } | undefined;

  constructor(options: ResourceServiceOptions) {
    this.#options = options;
    this.#writer = new GroupWriter({
      store: options.store,
      reload: () => {
        this.#needsRevision = true;
        this.#load();
      },
      committed: (batch, committed) => this.#committed(batch, committed),
      finish: (transaction) => this.#finish(transaction),
    });
  }

  /**
   * Takes over what is stored, as of a revision that nobody was told of before: so whoever compares finds that it has
   * to tell again what this process has not heard. Throws when the store cannot be read.
   */
  async start(): Promise<void> {
    const { store, relay } = this.#options;
    const committed = await store.commit({ expect: [], puts: [], deletes: [], outbox: [], remember: [] });
    // A full disk does not keep anybody from reading; the revision then comes with the first commit that works.
    this.#needsRevision = !committed.ok;
    this.#load();
    relay.notify();
  }

  /**
   * Runs a decision that no caller asked for (a report, a projection, a lease) and writes what it changes.
   * @param actor whose doing it is, as whatever brought it here proves.
   */
  async change(
    actor: Actor,
    decide: (context: DomainContext) => Result<readonly DomainChange[], AppError>,
  ): Promise<Result<void, AppError>> {
    const written = await this.#writer.execute((transaction): Result<void, AppError> => {
      const decided = decide(this.#context(transaction));
      if (!decided.ok) return decided;
      this.#write(transaction, decided.value, actor, undefined);
      return ok(undefined);
    });
    return written.ok ? written.value : written;
  }

  /** Has the state stream, which holds these, hold what is stored. Refused where the store takes nothing; then again. */
  repairStates(published: PublishedStates): Promise<Result<void, AppError>> {
    const { store, domain, name: source } = this.#options;
    return repairStates(published, {
      store,
      domain,
      source,
      write: (work) => this.#writer.execute((transaction) => work(transaction, this.#factory(transaction))),
    });
  }

  /** Reads the projection when it is equal to what is committed. */
  query<Value>(read: () => Value): Promise<Value> {
    return this.#writer.query(read);
  }

  /**
   * An intent from the stream. It is settled after the commit of its effects and its answer; a refusal is an answer
   * too. What could not be answered (the store does not take it) is delivered again.
   */
  async handleIntent(delivery: Delivery): Promise<Settlement> {
    const { subject, headers, body, streamSequence, storedAt, streamMadeAt } = delivery;
    const address = parseResourceSubject(subject);
    if (!address) return { kind: 'park', reason: `${subject} is not the subject of an intent` };
    const position = { sequence: streamSequence, storedAt, streamMadeAt };
    this.#origins.delivered(position);
    const operation = headers[HEADERS.operation] ?? 'apply';
    const fingerprint = fingerprintOf(subject, operation, body);
    const given = headers[HEADERS.messageId];
    const unusable = checkHeaders(headers);
    // Unique even where a stream was made anew and counts from 1 again.
    const own = `sequence-${streamSequence}-${fingerprint.slice(0, 16)}`;
    const messageId = given !== undefined && isMessageId(given) ? given : own;
    const answered = await this.#answer({
      address,
      command: unusable ? err(unusable) : parseIntent(this.#options.domain.kinds, address, operation, body),
      identified: { messageId, fingerprint },
      actor: actorFor(address.tenant),
      cause: causeOf(headers, messageId),
      intent: { position, asOf: replayed(headers) ?? position },
    });
    return answered.ok ? { kind: 'ack' } : { kind: 'retry', reason: answered.error.message };
  }

  /** A request on `rpc.<tenant>.<api>.<kind>.<verb>`. */
  async handleRequest(received: Received): Promise<Result<Message, AppError>> {
    const request = parseRequest(this.#options.domain.kinds, received);
    if (!request.ok) return request;
    const answer = await this.#dispatch(request.value, received);
    return answer.ok ? ok({ headers: {}, body: Buffer.from(answer.value) }) : answer;
  }

  /** Refuses new changes and awaits those that wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  #load(): void {
    const { store, domain, reloaded } = this.#options;
    store.read((snapshot) => {
      const origins = new Origins(this.#origins.newest);
      const records: unknown[] = [];
      for (const kind of domain.rowKinds) {
        for (const row of allRows(snapshot, kind)) {
          const { record, origin } = valueIn(row);
          records.push(record);
          if (origin) origins.load(row.key, origin);
        }
      }
      origins.loadDeleted(allRows(snapshot, DELETED_KIND));
      this.#origins = origins;
      this.#retention = new AnswerRetention(snapshot.get(ANSWER_MARKS));
      domain.reload(records, snapshot.revision);
    });
    reloaded?.();
  }

  #committed({ outbox }: Batch, { outboxSequence }: Committed): void {
    this.#options.relay.committed(outbox, outboxSequence);
    this.#forgetOldAnswers();
    if (!this.#needsRevision) return;
    try {
      this.#load();
      this.#needsRevision = false;
    } catch {
      // The projection is as it was, and right; the next commit tries again.
    }
  }

  #finish(transaction: GroupTransaction): void {
    const context = this.#context(transaction);
    this.#options.finish?.(transaction, context);
    const marks = this.#retention.note(transaction.answers, transaction.revision, context.now);
    if (marks) transaction.put(marks);
  }

  /** The answer as JSON text. */
  async #dispatch(request: Request, { subject, headers, body }: Received): Promise<Result<string, AppError>> {
    const { store, domain } = this.#options;
    switch (request.verb) {
      case 'get':
        return toText(
          await this.#writer.query(() => store.read((snapshot) => getResource(snapshot, domain, request))),
        );
      case 'list':
        return toText(
          await this.#writer.query(() => store.read((snapshot) => listResources(snapshot, domain, request))),
        );
      case 'plan': {
        // As work that writes nothing: should it fail half-way, the projection is made anew.
        const { command } = request;
        const planned = await this.#writer.execute((transaction) =>
          domain.plan(command, this.#context(transaction)),
        );
        return planned.ok ? toText(planned.value) : planned;
      }
      case 'change': {
        const unusable = checkHeaders(headers);
        if (unusable) return err(unusable);
        const messageId = headers[HEADERS.messageId];
        const { address, command, operation } = request;
        const answered = await this.#answer({
          address,
          command: ok(command),
          identified:
            messageId === undefined
              ? undefined
              : { messageId, fingerprint: fingerprintOf(subject, operation, body) },
          actor: actorFor(address.tenant),
          cause: causeOf(headers, messageId),
          intent: undefined,
        });
        if (!answered.ok) return answered;
        const { refusal, body: text } = answered.value;
        return refusal ? err(decodeError(refusal, Buffer.from(text))) : ok(text);
      }
    }
  }

  /** The answer to a command after its commit; the same message id gets the same answer. */
  async #answer(question: Question): Promise<Result<Answer, AppError>> {
    const answered = await this.#writer.execute((transaction) => this.#decide(transaction, question));
    if (answered.ok || isTemporary(answered.error)) return answered;
    // It cannot be decided or written, now or later: whoever asks is told so instead of waiting for ever.
    const refused = { ...question, command: answered };
    return this.#writer.execute((transaction) => this.#decide(transaction, refused));
  }

  #decide(transaction: Transaction, question: Question): Answer {
    const { identified } = question;
    const recalled = identified
      ? recall(transaction.answer(identified.messageId), identified)
      : ok(undefined);
    if (!recalled.ok) return this.#refuse(transaction, question, recalled.error);
    if (recalled.value) return this.#repeat(transaction, question, recalled.value);
    const answer = this.#decideAnew(transaction, question);
    if (identified) {
      const position = question.intent?.position;
      const remembered: Answer = { ...answer, ...(position && { position }) };
      transaction.remember({ ...identified, answer: answerToText(remembered) });
    }
    return answer;
  }

  #decideAnew(transaction: Transaction, question: Question): Answer {
    const { address, command, cause, intent } = question;
    if (!command.ok) return this.#refuse(transaction, question, command.error);
    const key = rowKeyOf(command.value);
    const obeyed = this.#origins.of(key)?.position;
    if (intent && obeyed && isSuperseded(intent.asOf, obeyed)) {
      return this.#refuse(transaction, question, superseded(address));
    }
    const decision = this.#options.domain.decide(command.value, this.#context(transaction));
    if (!decision.ok) return this.#refuse(transaction, question, decision.error);
    const { resource, changes } = decision.value;
    const position = intent?.position ?? this.#origins.newest;
    const origin: Origin = { ...(position && { position }), cause };
    const noLongerDeleted = this.#origins.set(key, origin);
    if (noLongerDeleted) transaction.delete(noLongerDeleted);
    const factory = this.#factory(transaction);
    if (command.value.operation === 'apply') transaction.send(factory.event(resource, 'accepted', question));
    this.#write(transaction, changes, question.actor, question);
    if (!changes.some((change) => keyText(change.key) === keyText(key))) note(transaction, key, origin);
    const { whole, withoutSpec } = factory.textOf(resource);
    return { body: intent ? withoutSpec : whole };
  }

  #refuse(transaction: Transaction, question: Question, error: AppError): Answer {
    const wire = encodeError(error);
    if (question.intent) {
      transaction.send(this.#factory(transaction).refused(question.address, wire, question));
    }
    return refusalOf(wire);
  }

  /**
   * A repetition changes nothing. Whoever repeats an intent has not seen its answer: it is published again. A
   * redelivery is no repetition: its answer was written to the outbox with its effects.
   */
  #repeat(transaction: Transaction, question: Question, answer: Answer): Answer {
    const { address, command, intent } = question;
    if (!intent || (answer.position && isSame(intent.position, answer.position))) return answer;
    const factory = this.#factory(transaction);
    const { refusal, body } = answer;
    if (refusal) {
      transaction.send(factory.refused(address, { headers: refusal, body: Buffer.from(body) }, question));
    } else {
      const isDelete = command.ok && command.value.operation === 'delete';
      transaction.send(factory.again(address, isDelete ? 'deleted' : 'accepted', body, question));
    }
    return answer;
  }

  /** `asked` undefined: nobody asked for it now, so that each change answers what its key has obeyed last. */
  #write(
    transaction: Transaction,
    changes: readonly DomainChange[],
    actor: Actor,
    asked: Question | undefined,
  ): void {
    const factory = this.#factory(transaction);
    for (const change of changes) {
      const { key, record } = change;
      const origin = this.#origins.of(key);
      if (record) transaction.put(rowOf(key, record, origin));
      else {
        transaction.delete(key);
        const { put, forgotten } = this.#origins.deleted(key);
        if (put) transaction.put(put);
        if (forgotten) transaction.delete(forgotten);
      }
      const cause = asked ? causeFor(key, asked) : origin?.cause;
      for (const message of factory.ofChange(change, { actor, cause })) transaction.send(message);
    }
  }

  #forgetOldAnswers(): void {
    const { keptFrom } = this.#retention;
    if (this.#forgottenBefore === undefined || this.#forgottenBefore >= keptFrom) return;
    const before = this.#forgottenBefore;
    this.#forgottenBefore = undefined;
    this.#options.store.forgetAnswersBefore(keptFrom, FORGOTTEN_AT_ONCE).then(
      (forgotten) => {
        this.#forgottenBefore = forgotten < FORGOTTEN_AT_ONCE ? keptFrom : before;
      },
      () => {
        // They are forgotten after a later commit: the commits tell that the disk fails.
        this.#forgottenBefore = before;
      },
    );
  }

  #context({ revision }: Transaction): DomainContext {
    const { clock, random } = this.#options;
    const now = clock.now();
    return { revision, now, newUid: () => uuidv7(now, random) as Uid };
  }

  #factory(transaction: Transaction): MessageFactory {
    const { name, store, clock } = this.#options;
    if (this.#messages?.of !== transaction) {
      const factory = new MessageFactory(name, store.epoch, transaction.revision, clock.now());
      this.#messages = { of: transaction, factory };
    }
    return this.#messages.factory;
  }
}

/** A command with everything that its answer needs. */
interface Question extends Trigger {
  readonly address: ResourceAddress;
  readonly command: Result<Command, AppError>;
  /** Undefined: the caller gave no message id, so that nothing is remembered. */
  readonly identified: IdentifiedRequest | undefined;
  readonly cause: Cause;
  /** Of intents: where it stands in the stream, and where it stood before it was parked and replayed. */
  readonly intent: { readonly position: StreamPosition; readonly asOf: StreamPosition } | undefined;
}

/** What the events of a key are told of the message that has changed it. */
const causeFor = ({ tenant }: Key, { address, cause }: Question): Cause =>
  cause.requestedBy === undefined || tenant === address.tenant ? cause : anonymous(cause);

/** Where a dead letter that is replayed stood; when that was is not known any more. */
function replayed(headers: Readonly<Record<string, string>>): StreamPosition | undefined {
  const sequence = headers[HEADERS.deadSequence];
  if (sequence === undefined || !/^[0-9]{1,15}$/.test(sequence)) return undefined;
  return { sequence: Number(sequence), storedAt: 0 };
}

const toText = <Value>(answer: Result<Value, AppError>): Result<string, AppError> =>
  answer.ok ? ok(JSON.stringify(answer.value)) : answer;

/** Notes what a key has obeyed though its row stays as it is. */
function note(transaction: Transaction, key: Key, origin: Origin): void {
  const row = transaction.row(key);
  if (!row) return;
  const value: StoredValue = { ...valueIn(row), origin };
  transaction.put({ ...row, value: JSON.stringify(value) });
}

const superseded = ({ kind, tenant, name }: ResourceAddress): AppError =>
  new AppError('ABORTED', `a later intent on ${kind} ${tenant}/${name} has been obeyed already`, {
    reason: 'SUPERSEDED',
  });

function rowKeyOf(command: Command): Key {
  if (command.operation === 'delete') {
    const { kind, tenant, name } = command;
    return { kind, tenant, name };
  }
  const { kind, metadata } = command.intent;
  return { kind, tenant: metadata.tenant, name: metadata.name };
}
