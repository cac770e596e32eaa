import { readFileSync } from 'node:fs';
import { type CheckedYaml, type JudgedYaml, judgeYaml } from '../codec/yaml.ts';
import { failure } from '../core/errors.ts';
import { conflictIn } from './rules.ts';
import { type ConfigFile, configSchema } from './schema.ts';

/** Reads and checks firstboot.yaml, all but what its policy says (config/policy.ts). Every complaint names the file, the line, the key and what was expected. */
export const readConfigFile = (path: string): ReadConfig => sound(judgeConfigFile(path));

export interface ReadConfig extends CheckedYaml<ConfigFile>, JudgedYaml {
  readonly value: ConfigFile;
}

/** The same with all that is wrong, not only the first thing. @throws FirstbootError service.config when it cannot be read */
export function judgeConfigFile(path: string): JudgedYaml {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw failure('service.config', { file: path }, 'the file cannot be read; check the path given with -c', error);
  }
  return judgeConfig(text, path);
}

/** @param name what to call the text in complaints. */
export const parseConfig = (text: string, name: string): ConfigFile => sound(judgeConfig(text, name)).value;

function judgeConfig(text: string, name: string): JudgedYaml {
  const read = judgeYaml(text, name, configSchema);
  if (read.problems.length > 0) return read;
  const conflict = conflictIn(read.value as ConfigFile);
  return conflict ? { ...read, problems: [read.at(conflict.keys, conflict.expected)] } : read;
}

function sound(read: JudgedYaml): ReadConfig {
  if (read.problems[0]) throw read.problems[0];
  return { ...read, value: read.value as ConfigFile };
}
