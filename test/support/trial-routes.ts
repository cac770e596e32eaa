import Type from 'typebox';
import { type Route, route } from '../../src/api/route.ts';
import { failure } from '../../src/core/errors.ts';

export interface TrialRoutes {
  /** Below /test: a count, a slow change, a thing with a revision, a list, a secret, an import, and two faults. */
  readonly routes: readonly Route[];
  /** How often something was done. */
  counted(): number;
  /** From now on `slow` waits. */
  hold(): Gate;
}

export interface Gate {
  readonly open: () => void;
  /** Somebody waits. */
  readonly reached: Promise<void>;
}

/** Routes that do next to nothing, for what the API does with every request. */
export function trialRoutes(): TrialRoutes {
  let counted = 0;
  let gate: ReturnType<typeof makeGate> | undefined;
  const routes: readonly Route[] = [
    route({
      ...common,
      id: 'count',
      method: 'POST',
      path: '/test/count',
      role: 'operator',
      query: Type.Object({ dryRun: Type.Optional(Type.Boolean()) }, closed),
      body: Type.Object(
        { by: Type.Integer({ minimum: 1, maximum: 10 }), note: Type.Optional(Type.String({ description: 'a note' })) },
        closed,
      ),
      answer: Type.Object({ counted: Type.Integer() }, closed),
      status: 201,
      handle: async ({ body }) => {
        counted += body.by;
        return { body: { counted }, revision: counted };
      },
    }),
    route({
      ...common,
      id: 'slow',
      method: 'POST',
      path: '/test/slow',
      role: 'operator',
      answer: Type.Object({}, closed),
      handle: async () => {
        gate?.arrive();
        await gate?.opened;
        return { body: {} };
      },
    }),
    route({
      ...common,
      id: 'change',
      method: 'PUT',
      path: '/test/things/{thing}',
      role: 'admin',
      conditional: true,
      params: Type.Object({ thing: Type.String({ pattern: '^[a-z]+$', description: 'lower-case letters' }) }, closed),
      answer: Type.Object({ revision: Type.Union([Type.Integer(), Type.Null()]) }, closed),
      handle: async ({ ifMatch }) => {
        if (ifMatch !== undefined && ifMatch !== 3) throw failure('api.precondition', { revision: 3 }, 'read it again');
        return { body: { revision: ifMatch ?? null }, revision: 4 };
      },
    }),
    route({
      ...common,
      id: 'read',
      method: 'GET',
      path: '/test/things',
      role: 'viewer',
      query: Type.Object(
        { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 5 })), deep: Type.Optional(Type.Boolean()) },
        closed,
      ),
      answer: Type.Object({ limit: Type.Integer(), deep: Type.Boolean() }, closed),
      handle: async ({ query: { limit = 2, deep = false } }) => ({ body: { limit, deep }, revision: 7 }),
    }),
    route({
      ...common,
      id: 'secretly',
      method: 'POST',
      path: '/test/secret',
      role: 'admin',
      secret: true,
      unbound: true,
      answer: Type.Object({ secret: Type.String() }, closed),
      handle: async () => ({ body: { secret: `secret ${++counted}` } }),
    }),
    route({
      ...common,
      id: 'import',
      method: 'POST',
      path: '/test/import',
      role: 'operator',
      consumes: ['text/csv', 'application/x-ndjson'],
      answer: Type.Object({ characters: Type.Integer(), type: Type.String() }, closed),
      handle: async ({ stream, contentType: type }) => {
        let characters = 0;
        for await (const piece of stream) characters += piece.length;
        counted++;
        return { body: { characters, type } };
      },
    }),
    route({
      ...common,
      id: 'break',
      method: 'GET',
      path: '/test/broken',
      role: 'viewer',
      answer: Type.Object({}, closed),
      handle: async () => {
        throw new TypeError('a secret of the inside at /home/somebody', { cause: new Error('and its cause') });
      },
    }),
    route({
      ...common,
      id: 'storeFault',
      method: 'GET',
      path: '/test/store-fault',
      role: 'viewer',
      answer: Type.Object({}, closed),
      handle: async () => {
        throw failure('service.store', { file: '/var/lib/firstboot/store' }, 'mount the disk');
      },
    }),
  ];
  return {
    routes,
    counted: () => counted,
    hold: () => {
      gate = makeGate();
      return gate;
    },
  };
}

function makeGate(): Gate & { readonly opened: Promise<void>; readonly arrive: () => void } {
  let [open, arrive] = [(): void => undefined, (): void => undefined];
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  return { open, opened, reached, arrive };
}

const closed = { additionalProperties: false } as const;
const common = { tag: 'test', summary: 'Test', errors: [] } as const;
