import { Option } from 'commander';
import type { AccessList } from '../../store/model.ts';

/** `--list` of the commands over a group's lists. */
export const listOption = (): Option =>
  new Option('--list <list>', 'which list').choices(['allow', 'deny', 'preauthorized'] satisfies AccessList[]);
