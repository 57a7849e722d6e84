import { AppError, CODES, type Code, err, type FieldViolation, ok, type Result } from '@outboard/core';
import { isJsonObject, type JsonObject } from '../json.js';
import {
  checkAgainst,
  type InterfaceDescription,
  MAX_DESCRIPTION_BYTES,
  parseDescriptions,
} from './description.js';
import { askSocket, type HttpRequest, type HttpResponse } from './socket-client.js';

const DISCOVER_MILLISECONDS = 2_000;
/** Less than the bus keeps the permission to answer. */
const CALL_MILLISECONDS = 5_000;
const MAX_BODY_BYTES = 256 << 10;
/** Calls that wait for one CNF; more are refused. */
const MAX_CALLS = 16;
const MAX_MESSAGE = 512;

/** Speaks to a CNF by the socket that it serves (docs/workloads.md: the contract). */
export class InterfaceClient {
  #calls = 0;
  /** What it answered last, so that the same is not compiled again and again. */
  #known: { readonly body: Buffer; readonly described: ReturnType<typeof parseDescriptions> } | undefined;

  constructor(
    private readonly socket: string,
    /** Of the workload, for messages. */
    private readonly name: string,
  ) {}

  /** What it publishes. Throws AppError: UNAVAILABLE where nothing listens, or what is wrong with its answer. */
  async discover(): Promise<readonly InterfaceDescription[]> {
    const { status, body } = await this.#ask({
      method: 'GET',
      path: '/interfaces',
      timeoutMilliseconds: DISCOVER_MILLISECONDS,
      maximumBytes: MAX_DESCRIPTION_BYTES,
    });
    if (status !== 200) throw new AppError('FAILED_PRECONDITION', `answers GET /interfaces with ${status}`);
    if (this.#known?.body.equals(body) !== true)
      this.#known = { body, described: parseDescriptions(parseJson(body)) };
    const { described } = this.#known;
    if (!described.ok) throw described.error;
    return described.value;
  }

  /** Whether it says that it works: throws AppError with the reason when it does not. */
  async check(path: string, timeoutMilliseconds: number): Promise<void> {
    const { status } = await this.#ask({
      method: 'GET',
      path,
      timeoutMilliseconds,
      maximumBytes: MAX_BODY_BYTES,
    });
    if (status !== 200) throw new AppError('FAILED_PRECONDITION', `GET ${path} answers ${status}`);
  }

  /** Calls a method with a JSON text; its answer as one. Both are held against the schemas. */
  async call(
    { name: interfaceName, methods }: InterfaceDescription,
    methodName: string,
    body: Uint8Array,
  ): Promise<Result<Uint8Array, AppError>> {
    const method = methods.find(({ name }) => name === methodName);
    if (method === undefined)
      return err(
        new AppError('NOT_FOUND', `interface ${interfaceName} of ${this.name} has no method ${methodName}`, {
          reason: 'UNKNOWN_METHOD',
        }),
      );
    const argument = body.length === 0 ? {} : parseJson(body);
    if (argument === undefined) return err(AppError.invalid([{ field: '', description: 'must be JSON' }]));
    const mismatch = checkAgainst(method.request, argument, '');
    if (mismatch !== undefined) return err(mismatch);
    const path = `/interfaces/${interfaceName}/methods/${methodName}`;
    const answer = await this.#send('POST', path, Buffer.from(JSON.stringify(argument)));
    if (!answer.ok) return answer;
    const result = answer.value.length === 0 ? {} : parseJson(answer.value);
    const broken = result === undefined ? 'it is no JSON' : checkAgainst(method.response, result, '');
    if (broken === undefined) return ok(Buffer.from(JSON.stringify(result)));
    const why = typeof broken === 'string' ? broken : listed(broken.violations);
    return err(
      new AppError(
        'INTERNAL',
        `${this.name} breaks its own schema of ${interfaceName}.${methodName}: ${why}`,
        {
          reason: 'CNF_BROKE_SCHEMA',
        },
      ),
    );
  }

  /** Gives it a configuration, or has it judge one. Undefined: it has taken it. */
  async configure(
    { name: interfaceName, configuration: described }: InterfaceDescription,
    configuration: JsonObject,
    dryRun = false,
  ): Promise<AppError | undefined> {
    if (described === undefined)
      return new AppError(
        'FAILED_PRECONDITION',
        `interface ${interfaceName} of ${this.name} takes no configuration`,
        {
          reason: 'NO_CONFIGURATION',
        },
      );
    const mismatch = checkAgainst(described, configuration, 'spec.configuration');
    if (mismatch !== undefined) return mismatch;
    const path = `/interfaces/${interfaceName}/configuration${dryRun ? '?dryRun=true' : ''}`;
    const answer = await this.#send('PUT', path, Buffer.from(JSON.stringify(configuration)));
    return answer.ok ? undefined : answer.error;
  }

  async #send(method: 'POST' | 'PUT', path: string, body: Uint8Array): Promise<Result<Uint8Array, AppError>> {
    if (this.#calls >= MAX_CALLS)
      return err(
        new AppError('RESOURCE_EXHAUSTED', `${this.name} has ${MAX_CALLS} calls to answer already`, {
          reason: 'TOO_MANY_CALLS',
        }),
      );
    this.#calls++;
    try {
      const limits = { timeoutMilliseconds: CALL_MILLISECONDS, maximumBytes: MAX_BODY_BYTES };
      const response = await this.#ask({ method, path, body, ...limits });
      return response.status >= 200 && response.status < 300
        ? ok(response.body)
        : err(this.#refusalOf(response, path));
    } catch (failure) {
      return err(AppError.from(failure));
    } finally {
      this.#calls--;
    }
  }

  async #ask(wanted: HttpRequest): Promise<HttpResponse> {
    try {
      return await askSocket(this.socket, wanted);
    } catch (failure) {
      const { code, message } = AppError.from(failure);
      throw new AppError(code, `${this.name}: ${message}`, { reason: 'CNF_DOES_NOT_ANSWER' });
    }
  }

  /** What the CNF says of its refusal (AIP-193), bounded; or what its status means. */
  #refusalOf({ status, body }: HttpResponse, path: string): AppError {
    const json = parseJson(body);
    const said = isJsonObject(json) ? json : {};
    const code = codeOf(said, status);
    const message = typeof said.message === 'string' ? said.message : `${path} answers ${status}`;
    return new AppError(code, `${this.name}: ${message}`.slice(0, MAX_MESSAGE), {
      reason: 'CNF_REFUSED',
      violations: violationsOf(said),
    });
  }
}

/** google.rpc.Code's mapping to HTTP, backwards. */
const CODE_OF_STATUS: Readonly<Record<number, Code>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  412: 'FAILED_PRECONDITION',
  422: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

function codeOf({ status: name }: JsonObject, status: number): Code {
  if (typeof name === 'string' && Object.hasOwn(CODES, name)) return name as Code;
  return CODE_OF_STATUS[status] ?? (status >= 400 && status < 500 ? 'FAILED_PRECONDITION' : 'INTERNAL');
}

const MAX_VIOLATIONS = 20;

function violationsOf({ details }: JsonObject): FieldViolation[] {
  const all = Array.isArray(details) ? details.filter(isJsonObject) : [];
  return all
    .flatMap(({ fieldViolations }) =>
      Array.isArray(fieldViolations) ? fieldViolations.filter(isJsonObject) : [],
    )
    .slice(0, MAX_VIOLATIONS)
    .map(({ field, description }) => ({
      field: String(field ?? '').slice(0, MAX_MESSAGE),
      description: String(description ?? '').slice(0, MAX_MESSAGE),
    }));
}

const listed = (violations: readonly FieldViolation[]): string =>
  violations
    .slice(0, 3)
    .map(({ field, description }) => `${field || 'it'} ${description}`)
    .join('; ');

/** Undefined: it is no JSON. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
