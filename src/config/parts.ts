import Type from 'typebox';

/** Pieces that the schemas have in common. What stands in `description` is what a complaint says was expected. */

export const closed = { additionalProperties: false } as const;

export const uuid = Type.String({ format: 'uuid', description: 'UUID' });

export const file = (description: string) => Type.String({ minLength: 1, description });

export const oneOf = <const T extends readonly string[]>(...values: T) => Type.Unsafe<T[number]>({ enum: values });

/** One of some words, and what they are about. */
export const chosen = <const T extends readonly string[]>(description: string, ...values: T) =>
  Type.Unsafe<T[number]>({ enum: values, description });
