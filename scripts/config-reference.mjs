#!/usr/bin/env node
// Writes docs/configuration.md from the schema of firstboot.yaml and the table of settings; with --check it says whether that is
// up to date. TypeScript is read as it is (Node strips the types).
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationPage } from '../src/config/reference.ts';

const file = new URL('../docs/configuration.md', import.meta.url);
const page = configurationPage();
if (!process.argv.includes('--check')) writeFileSync(file, page);
else if (readFileSync(file, 'utf8') !== page) {
  process.stderr.write('docs/configuration.md is not what the schema says: npm run config-reference\n');
  process.exit(1);
}
