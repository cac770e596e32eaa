import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Timers } from '../../core/clock.ts';
import { failure } from '../../core/errors.ts';
import { parseUuid, type Uuid } from '../../core/ids.ts';
import type { JsonValue } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { RandomSource } from '../../core/random.ts';
import type { LocalOperations } from '../../operator/local-operations.ts';
import type { Door } from '../door.ts';
import { refusalOf } from '../problem.ts';
import type { Principal } from '../route.ts';
import { type Message, stripped, wrong } from './message.ts';
import { statusOf } from './status.ts';

export interface PlgdDeps {
  readonly door: Door;
  readonly operationsFor: (principal: Principal) => LocalOperations;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
  /** Folder of the files with the client secrets of hubs. */
  readonly secretsFolder: string;
}

/** A request, and how it wants to be answered. */
export class Asked {
  readonly deps: PlgdDeps;
  readonly operations: LocalOperations;
  readonly principal: Principal;
  readonly body: unknown;
  /** Of the path. */
  readonly id: Uuid | undefined;
  private readonly request: FastifyRequest;
  private readonly reply: FastifyReply;

  constructor(request: FastifyRequest, reply: FastifyReply, deps: PlgdDeps) {
    const caller = deps.door.callerOf(request);
    if (!caller) throw new TypeError('nobody has entered');
    this.request = request;
    this.reply = reply;
    this.deps = deps;
    this.principal = caller.principal;
    this.operations = deps.operationsFor(caller.principal);
    this.body = request.body;
    const { id } = request.params as { readonly id?: string };
    this.id = id === undefined ? undefined : known(parseUuid(id), id);
  }

  /** Values of a filter. */
  filter(name: string): readonly string[] {
    return this.query
      .filter(([key]) => filterKey(key) === filterKey(name))
      .flatMap(([, value]) => value)
      .map((value) => parseUuid(value) ?? value);
  }

  /**
   * What a filter that nobody reads would have kept is not deleted.
   * @throws FirstbootError operator.input: there is something else in the query
   */
  requireOnly(...filters: readonly string[]): void {
    const known = new Set(filters.map(filterKey));
    const other = this.query.find(([key]) => !known.has(filterKey(key)));
    if (other) throw wrong(other[0].slice(0, limits.policy.text), `no filter but ${filters.join(', ')}`);
  }

  private get query(): readonly (readonly [string, string | readonly string[]])[] {
    return Object.entries(this.request.query as Readonly<Record<string, string | readonly string[]>>);
  }

  answer(message: Message): FastifyReply {
    return this.send(JSON.stringify(this.rendered(message)));
  }

  /** As grpc-gateway streams: `{"result": …}` for each, one a line. */
  stream(messages: AsyncIterable<Message> | Iterable<Message>): FastifyReply {
    const rendered = (message: Message) => `${JSON.stringify({ result: this.rendered(message) })}\n`;
    return this.send(Readable.from(lines(messages, rendered, (error) => this.failed(error))));
  }

  private rendered(message: Message): JsonValue {
    return this.protojson ? message : stripped(message);
  }

  /** The status has been sent: the stream says that it broke off, and why. */
  private failed(error: unknown): string {
    this.deps.log.error({ request: this.request.id, error }, 'a stream of records broke off');
    return `${JSON.stringify({ error: statusOf(refusalOf(error)) })}\n`;
  }

  private get protojson(): boolean {
    return this.request.headers.accept?.includes('application/protojson') === true;
  }

  private send(body: string | Readable): FastifyReply {
    const type = this.protojson ? 'application/protojson' : 'application/json; charset=utf-8';
    return this.reply.header('content-type', type).send(body);
  }
}

/** Names of filters are read in any case, as JSON has them and as protobuf does, with and without brackets. */
const filterKey = (name: string): string => name.toLowerCase().replace(/_|\[\]$/g, '');

async function* lines(
  messages: AsyncIterable<Message> | Iterable<Message>,
  rendered: (message: Message) => string,
  failed: (error: unknown) => string,
): AsyncGenerator<string> {
  try {
    for await (const message of messages) yield rendered(message);
  } catch (error) {
    yield failed(error);
  }
}

function known(id: Uuid | undefined, text: string): Uuid {
  if (id !== undefined) return id;
  throw failure('operator.not-found', { id: text.slice(0, limits.policy.text) }, 'ids are UUIDs');
}
