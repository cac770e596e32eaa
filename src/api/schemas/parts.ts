import Type, { type TObject, type TSchema } from 'typebox';
import { type ErrorCode, type Evidence, errorTable, type Refusal } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Outcome } from '../../operator/change.ts';
import type { DeviceSelector } from '../../store/model.ts';

/** What the schemas of the API have in common. Times are ms since 1970, UTC; what may be undefined is left out of the JSON. */

export const closed = { additionalProperties: false } as const;

/**
 * The schema of a type that operations answer with. It has to name each of its fields; that answers fit it is for the tests
 * of the routes to see.
 */
export const resource = <T>(
  $id: string,
  description: string,
  fields: { readonly [K in keyof Required<T>]: TSchema },
): ReturnType<typeof Type.Unsafe<T>> => Type.Unsafe<T>(Type.Object({ ...fields }, { ...closed, $id, description }));

/** The same for a part that stands in one place only. */
export const part = <T>(fields: { readonly [K in keyof Required<T>]: TSchema }, description?: string) =>
  Type.Unsafe<T>(Type.Object({ ...fields }, { ...closed, ...(description !== undefined && { description }) }));

export const maybe = Type.Optional;

/** In a request: what was read can be sent back whole. */
export const asRead = maybe(Type.Unknown({ description: 'as it was read; it is not looked at' }));

export const uuid = (description: string) =>
  Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', description });
export const time = (description: string) => Type.Integer({ description: `${description}; ms since 1970, UTC` });
export const count = (description: string) => Type.Integer({ minimum: 0, description });
export const text = (description: string) => Type.String({ description });
export const flag = (description: string) => Type.Boolean({ description });
export const hex = (description: string) => Type.String({ pattern: '^[0-9a-f]*$', description: `${description}; hex` });
export const words = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], description });
export const listOf = <T>(items: TSchema, description: string) =>
  Type.Unsafe<readonly T[]>(Type.Array(items, { description }));

export const evidence = Type.Unsafe<Evidence>(
  Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
    description: 'what was seen: short facts by name, never a secret',
  }),
);

export const jsonObject = (description: string) =>
  Type.Unsafe<JsonObject>(Type.Record(Type.String(), Type.Unknown(), { description }));

export const errorCode = Type.Unsafe<ErrorCode>({
  type: 'string',
  enum: Object.keys(errorTable),
  description: 'one of the codes of docs/errors.md',
});

export const refusal = resource<Refusal>('Refusal', 'Why something was refused.', {
  code: errorCode,
  evidence,
  fix: text('what an operator can do about it'),
});

export const named = part<{ readonly id: string; readonly name: string }>({
  id: uuid('its id'),
  name: text('its name'),
});

export const selector = Type.Unsafe<DeviceSelector>(
  Type.Object(
    {
      by: words(['key', 'serial', 'subject'], 'what it is known by'),
      value: Type.String({
        minLength: 1,
        maxLength: limits.policy.text,
        description: 'key id; serial number of its manufacturer certificate, hex; or subject, where * is any text',
      }),
    },
    { ...closed, description: 'which device' },
  ),
);

/** A page of a list: `next` is the cursor of the page behind it. */
export const page = <T>($id: string, items: TSchema) =>
  Type.Unsafe<{ readonly items: readonly T[]; readonly next: string | null }>(
    Type.Object(
      {
        items: Type.Array(items),
        next: Type.Union([Type.String(), Type.Null()], {
          description:
            'cursor of the next page; null: there is none. A page may be short, or empty, and have a next one.',
        }),
      },
      { ...closed, $id },
    ),
  );

/** A list that always comes whole. */
export const wholeList = <Items extends TSchema>($id: string, items: Items) =>
  Type.Object({ items, next: Type.Null() }, { ...closed, $id });

/** What a change answers with. */
export const outcome = <T>($id: string, result: TSchema) =>
  Type.Unsafe<Outcome<T>>(
    Type.Object(
      {
        applied: flag('false after a dry run, and when there was nothing to do'),
        effects: Type.Array(Type.String(), { description: 'one line for each thing that changes (or would)' }),
        result,
      },
      { ...closed, $id, description: 'What a change did, or would do.' },
    ),
  );

/** A query of a list. */
export const listQuery = <F extends Readonly<Record<string, TSchema>>>(fields: F) =>
  Type.Object(
    {
      ...fields,
      cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 300, description: '`next` of the page before' })),
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: limits.api.listed,
          default: limits.api.page,
          description: 'most items of the page',
        }),
      ),
    },
    closed,
  );

const dryRun = Type.Optional(
  Type.Boolean({ default: false, description: 'say what would change, and change nothing' }),
);

/** A query of a change. */
export const changeQuery = <F extends Readonly<Record<string, TSchema>>>(fields: F) =>
  Type.Object({ ...fields, dryRun }, closed);

export const plainChange = Type.Object({ dryRun }, closed);

/** A parameter of the path: an id or a name. */
export const which = <K extends string>(name: K, description: string) =>
  Type.Object(
    { [name]: Type.String({ minLength: 1, maxLength: limits.policy.text, description }) } as {
      readonly [k in K]: ReturnType<typeof Type.String>;
    },
    closed,
  ) as TObject<{ [k in K]: ReturnType<typeof Type.String> }>;

export const shortText = (description: string) =>
  Type.String({ minLength: 1, maxLength: limits.policy.text, description });
