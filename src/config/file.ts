import { readFileSync } from 'node:fs';
import { readYaml } from '../codec/yaml.ts';
import { failure } from '../core/errors.ts';
import { conflictIn } from './rules.ts';
import { type ConfigFile, configSchema } from './schema.ts';

/** Reads and checks firstboot.yaml. Every complaint names the file, the line, the key and what was expected. */
export function readConfigFile(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw failure('service.config', { file: path }, 'the file cannot be read; check the path given with -c', error);
  }
  return parseConfig(text, path);
}

/** @param name what to call the text in complaints. */
export function parseConfig(text: string, name: string): ConfigFile {
  const { value, at } = readYaml(text, name, configSchema);
  const conflict = conflictIn(value);
  if (conflict) throw at(conflict.keys, conflict.expected);
  return value;
}
