import { expect } from 'vitest';
import type { ApiAnswer } from './api.ts';

/** @returns its body */
export const good = (answer: ApiAnswer, status = 200): ApiAnswer['body'] => {
  expect({ status: answer.status, problem: answer.problem }).toEqual({ status, problem: undefined });
  return answer.body;
};

export const refused = (answer: ApiAnswer, status: number, code: string): void => {
  expect([answer.status, answer.problem?.code]).toEqual([status, code]);
};
