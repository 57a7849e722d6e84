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
import type { Key, OutboxRelay, Store } from '@outboard/store';
import type { Command, DomainChange, DomainContext, ResourceDomain } from './domain.js';
import { GroupWriter, type Transaction } from './group-writer.js';
import { IntentSequences } from './intent-sequences.js';
import { getResource, listResources } from './list.js';
import { type Cause, MessageFactory } from './messages.js';
import {
  type Answer,
  type IdentifiedRequest,
  identifyRequest,
  recall,
  refusalOf,
  rememberAnswer,
} from './remembered.js';
import { parseIntent, parseRequest, type Request } from './request.js';
import { allRows, intentSequenceIn, keyText, recordIn, rowOf } from './rows.js';

/** Answers that are remembered, counted in revisions: about three days at ten changes a second. */
const REMEMBERED_REVISIONS = 2_500_000;
/** Revisions between two rounds of forgetting. */
const FORGET_EVERY = 256;

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
  #intentSequences = new IntentSequences();
  /** Requests whose commit is not written yet, by message id. */
  readonly #inFlight = new Map<string, Promise<Result<Answer, AppError>>>();
  #factory: MessageFactory | undefined;

  constructor(options: ResourceServiceOptions) {
    this.#options = options;
    this.#writer = new GroupWriter({
      store: options.store,
      reload: () => this.reload(),
      committed: (revision) => {
        options.relay.notify();
        this.#forgetOldAnswers(revision);
      },
      finish: (transaction) => options.finish?.(transaction, this.#context(transaction)),
    });
  }

  /** Makes the projection from the store; at start, and whenever a commit has failed. */
  reload(): void {
    const { store, domain } = this.#options;
    this.#intentSequences = new IntentSequences();
    store.read((snapshot) => {
      const rows = domain.rowKinds.flatMap((kind) => [...allRows(snapshot, kind)]);
      for (const row of rows) {
        const intentSequence = intentSequenceIn(row);
        if (intentSequence !== undefined) this.#intentSequences.set(keyText(row.key), intentSequence);
      }
      domain.reload(
        rows.map((row) => recordIn(row)),
        snapshot.revision,
      );
    });
    this.#options.reloaded?.();
  }

  /** Runs a decision that no caller asked for (a report, a projection, a lease) and writes what it changes. */
  async change(decide: (context: DomainContext) => readonly DomainChange[]): Promise<Result<void, AppError>> {
    return this.#writer.execute((transaction) => {
      this.#write(transaction, decide(this.#context(transaction)), undefined);
    });
  }

  /** Reads the projection when it is equal to what is committed. */
  query<Value>(read: () => Value): Promise<Value> {
    return this.#writer.query(read);
  }

  /** An intent from the stream. It is settled after the commit of its effects and its answer. */
  async handleIntent(delivery: Delivery): Promise<Settlement> {
    const address = parseResourceSubject(delivery.subject);
    if (!address) return { kind: 'park', reason: `${delivery.subject} is not the subject of an intent` };
    const { headers, body } = delivery;
    const operation = headers[HEADERS.operation] ?? 'apply';
    const messageId = headers[HEADERS.messageId] ?? `stream-sequence-${delivery.streamSequence}`;
    const answered = await this.#answer({
      address,
      command: parseIntent(address, operation, body),
      identified: identifyRequest(messageId, delivery.subject, operation, body),
      cause: causeOf(headers, messageId),
      intentSequence: delivery.streamSequence,
    });
    // A refusal is an answer too; what could not be answered is delivered again.
    return answered.ok ? { kind: 'ack' } : { kind: 'retry', reason: answered.error.message };
  }

  /** A request on `rpc.<tenant>.<api>.<kind>.<verb>`. */
  async handleRequest(received: Received): Promise<Result<Message, AppError>> {
    const request = parseRequest(received);
    if (!request.ok) return request;
    const answer = await this.#dispatch(request.value, received);
    return answer.ok ? ok({ headers: {}, body: Buffer.from(JSON.stringify(answer.value)) }) : answer;
  }

  /** Refuses new changes and awaits those that wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #dispatch(
    request: Request,
    { subject, headers, body }: Received,
  ): Promise<Result<unknown, AppError>> {
    const { store, domain } = this.#options;
    switch (request.verb) {
      case 'get':
        return store.read((snapshot) => getResource(snapshot, domain, request));
      case 'list':
        return store.read((snapshot) => listResources(snapshot, domain, request));
      case 'plan': {
        const revision = store.read((snapshot) => snapshot.revision) + 1;
        return this.#writer.query(() => domain.plan(request.command, this.#context({ revision })));
      }
      case 'change': {
        const messageId = headers[HEADERS.messageId];
        const answered = await this.#answer({
          address: request.address,
          command: ok(request.command),
          identified:
            messageId === undefined
              ? undefined
              : identifyRequest(messageId, subject, request.operation, body),
          cause: causeOf(headers, messageId),
          intentSequence: undefined,
        });
        if (!answered.ok) return answered;
        const answer = answered.value;
        return answer.accepted
          ? ok(answer.object)
          : err(decodeError(answer.headers, Buffer.from(answer.body)));
      }
    }
  }

  /** The answer to a command after its commit; the same message id gets the same answer. */
  async #answer(question: Question): Promise<Result<Answer, AppError>> {
    const { identified } = question;
    if (!identified) return this.#writer.execute((transaction) => this.#decide(transaction, question));
    const id = identified.messageId;
    const running = this.#inFlight.get(id);
    // The commit of the first one must be seen before the second can be recognised as its repetition.
    if (running) await running;
    const answer = this.#writer.execute((transaction) => this.#decide(transaction, question));
    this.#inFlight.set(id, answer);
    const result = await answer;
    if (this.#inFlight.get(id) === answer) this.#inFlight.delete(id);
    return result;
  }

  #decide(transaction: Transaction, question: Question): Answer {
    const { store } = this.#options;
    const { identified } = question;
    const recalled = identified ? store.read((snapshot) => recall(snapshot, identified)) : ok(undefined);
    if (!recalled.ok) return this.#refuse(transaction, question, recalled.error);
    if (recalled.value) return this.#repeat(transaction, question, recalled.value);
    const answer = this.#decideAnew(transaction, question);
    if (identified) transaction.remember(rememberAnswer(identified, answer));
    return answer;
  }

  #decideAnew(transaction: Transaction, question: Question): Answer {
    const { address, command, intentSequence } = question;
    if (!command.ok) return this.#refuse(transaction, question, command.error);
    const key = keyText(rowKeyOf(command.value));
    const obeyed = this.#intentSequences.get(key) ?? 0;
    if (intentSequence !== undefined && intentSequence <= obeyed) {
      return this.#refuse(transaction, question, superseded(address));
    }
    const decision = this.#options.domain.decide(command.value, this.#context(transaction));
    if (!decision.ok) return this.#refuse(transaction, question, decision.error);
    const { resource, changes } = decision.value;
    if (intentSequence !== undefined) this.#intentSequences.set(key, intentSequence);
    const factory = this.#messages(transaction);
    if (command.value.operation === 'apply')
      transaction.send(factory.event(resource, 'accepted', question.cause));
    this.#write(transaction, changes, question.cause);
    return { accepted: true, object: factory.encode(resource) };
  }

  #refuse(transaction: Transaction, question: Question, error: AppError): Answer {
    const wire = encodeError(error);
    if (question.intentSequence !== undefined && question.cause) {
      transaction.send(this.#messages(transaction).refused(question.address, wire, question.cause));
    }
    return refusalOf(wire);
  }

  /** A repetition changes nothing, but whoever repeats has not seen the answer: it is published again. */
  #repeat(transaction: Transaction, question: Question, answer: Answer): Answer {
    if (question.intentSequence === undefined || !question.cause) return answer;
    const factory = this.#messages(transaction);
    transaction.send(
      answer.accepted
        ? factory.accepted(question.address, answer.object, question.cause)
        : factory.refused(
            question.address,
            { headers: answer.headers, body: Buffer.from(answer.body) },
            question.cause,
          ),
    );
    return answer;
  }

  #write(transaction: Transaction, changes: readonly DomainChange[], cause: Cause | undefined): void {
    const factory = this.#messages(transaction);
    for (const change of changes) {
      const { key, record } = change;
      if (record) transaction.put(rowOf(key, record, this.#intentSequences.get(keyText(key))));
      else {
        transaction.delete(key);
        this.#intentSequences.deleted(keyText(key));
      }
      for (const message of factory.ofChange(change, cause)) transaction.send(message);
    }
  }

  /** A little after every so many commits, so that the memory of answers is bounded without a pause. */
  #forgetOldAnswers(revision: number): void {
    if (revision % FORGET_EVERY !== 0 || revision <= REMEMBERED_REVISIONS) return;
    // What could not be forgotten now is forgotten the next time.
    this.#options.store
      .forgetAnswersBefore(revision - REMEMBERED_REVISIONS, 4 * FORGET_EVERY)
      .catch(() => {});
  }

  #context({ revision }: { readonly revision: number }): DomainContext {
    const { clock, random } = this.#options;
    const now = clock.now();
    return { revision, now, newUid: () => uuidv7(now, random) as Uid };
  }

  #messages({ revision }: Transaction): MessageFactory {
    const { name, store, clock } = this.#options;
    if (this.#factory?.revision !== revision) {
      this.#factory = new MessageFactory(name, store.epoch, revision, clock.now());
    }
    return this.#factory;
  }
}

/** A command with everything that its answer needs. */
interface Question {
  readonly address: ResourceAddress;
  readonly command: Result<Command, AppError>;
  /** Undefined: the caller gave no message id, so that nothing is remembered. */
  readonly identified: IdentifiedRequest | undefined;
  readonly cause: Cause | undefined;
  /** Of intents: their place in the stream. */
  readonly intentSequence: number | undefined;
}

function causeOf(
  headers: Readonly<Record<string, string>>,
  messageId: string | undefined,
): Cause | undefined {
  if (messageId === undefined) return undefined;
  const traceparent = headers[HEADERS.traceparent];
  return { messageId, ...(traceparent !== undefined && { traceparent }) };
}

const superseded = ({ kind, tenant, name }: ResourceAddress): AppError =>
  new AppError('ABORTED', `a later intent on ${kind} ${tenant}/${name} has been obeyed already`, {
    reason: 'SUPERSEDED',
  });

function rowKeyOf(command: Command): Key {
  if (command.operation === 'delete') return command;
  const { kind, metadata } = command.intent;
  return { kind, tenant: metadata.tenant, name: metadata.name };
}
