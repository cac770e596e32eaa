import { readFileSync } from 'node:fs';
import { failure } from '../core/errors.ts';

/** What a command line names: a file, or `-` for standard input. @throws FirstbootError command.file */
export function readNamed(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** What is told of a file that could not be read because of `error`. */
export function unreadable(file: string, error: unknown) {
  const found = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  return failure('command.file', { file, found }, 'check the path and who may read it', error);
}
